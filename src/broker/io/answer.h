/* The broker's own answers: code, text and details of each sw_answer. Used by send.c and
 * carry_out.c. */
#ifndef SW_BROKER_ANSWER_H
#define SW_BROKER_ANSWER_H

#include "broker/core/core.h"

/* The status code. */
sw_code sw_answer_code(sw_answer answer);
/* Fills in the reply header, whose views point into `text`. The text quotes `service`. */
#define SW_ANSWER_TEXT_SIZE 512
void sw_answer_fill(sw_answer answer, uint64_t call_id, uint32_t queue_us, sw_view service,
                    char text[SW_ANSWER_TEXT_SIZE], sw_reply_header *header);

#endif
