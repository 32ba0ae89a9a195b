/* sitewire.test.v1.Echo on the service runtime. */
#include "echo.h"

#include "base/clock.h"
#include "base/error.h"
#include "echo.pb-c.h"
#include <string.h>

static void reply(const echo *to, sw_call *call, const char *text)
{
    Sw__EchoReply message = SW__ECHO_REPLY__INIT;
    sw_view caller = sw_call_caller(call);
    message.text = (char *)text;
    message.instance = (char *)to->instance;
    message.caller = sw_arena_strndup(sw_call_arena(call), caller.data, caller.size);
    sw_call_reply(call, &message.base);
}

static void echo_text(sw_call *call, const ProtobufCMessage *request, void *context)
{
    echo *to = context;
    const Sw__EchoRequest *asked = (const Sw__EchoRequest *)request;
    to->echoed++;
    if (!asked->has_data) {
        reply(to, call, asked->text);
        return;
    }
    Sw__EchoReply message = SW__ECHO_REPLY__INIT;
    message.text = asked->text;
    message.has_data = true;
    message.data = asked->data;
    message.instance = (char *)to->instance;
    sw_call_reply(call, &message.base);
}

static void fail(sw_call *call, const ProtobufCMessage *request, void *context)
{
    (void)context;
    const Sw__FailRequest *asked = (const Sw__FailRequest *)request;
    sw_error error;
    sw_fail_field(&error, (sw_code)asked->code, asked->field == NULL ? "" : asked->field, "%s",
                  asked->message == NULL ? "as asked" : asked->message);
    sw_call_fail(call, &error);
}

/* --- Delay --- */

typedef struct {
    echo *to;
    sw_call *call;
    sw_timer *timer;
    const char *text;
} delay;

static void delay_over(void *context)
{
    delay *waiting = context;
    sw_timer_destroy(&waiting->timer);
    reply(waiting->to, waiting->call, waiting->text);
}

static void end_cancelled(echo *to, sw_call *call)
{
    sw_error error;
    to->cancelled++;
    sw_fail(&error, sw_call_cancel_code(call), "stopped before its end");
    sw_call_fail(call, &error);
}

static void delay_cancelled(sw_call *call, void *context)
{
    delay *waiting = context;
    sw_timer_destroy(&waiting->timer);
    end_cancelled(waiting->to, call);
}

static void echo_late(sw_call *call, const ProtobufCMessage *request, void *context)
{
    echo *to = context;
    const Sw__DelayRequest *asked = (const Sw__DelayRequest *)request;
    delay *waiting = sw_arena_alloc(sw_call_arena(call), sizeof(*waiting));
    if (waiting != NULL)
        *waiting = (delay){to, call, sw_loop_timer(to->loop, delay_over, waiting), asked->text};
    if (waiting == NULL || waiting->timer == NULL) {
        sw_error error;
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "no memory for the delay");
        sw_call_fail(call, &error);
        return;
    }
    sw_call_on_cancel(call, delay_cancelled, waiting);
    sw_timer_start(waiting->timer, sw_now_ms() + asked->delay_ms);
}

/* --- Stream --- */

typedef struct {
    echo *to;
    uint32_t next, count;
    Sw__EchoReply message;
} stream;

static void stream_more(sw_call *call, void *context)
{
    stream *running = context;
    for (; running->next < running->count; running->next++) {
        running->message.number = running->next;
        if (!sw_call_partial(call, &running->message.base))
            return;
    }
    sw_call_reply(call, NULL);
}

static void stream_cancelled(sw_call *call, void *context)
{
    end_cancelled(((stream *)context)->to, call);
}

static void echo_stream(sw_call *call, const ProtobufCMessage *request, void *context)
{
    echo *to = context;
    const Sw__StreamRequest *asked = (const Sw__StreamRequest *)request;
    stream *running = sw_arena_alloc(sw_call_arena(call), sizeof(*running));
    void *data = sw_arena_alloc(sw_call_arena(call), asked->size);
    if (running == NULL || data == NULL) {
        sw_error error;
        sw_fail_field(&error, SW_RESOURCE_EXHAUSTED, "size", "size: no memory for messages of this size");
        sw_call_fail(call, &error);
        return;
    }
    *running = (stream){.to = to, .count = asked->count};
    sw__echo_reply__init(&running->message);
    running->message.has_number = running->message.has_data = true;
    running->message.instance = (char *)to->instance;
    running->message.data = (ProtobufCBinaryData){asked->size, data};
    sw_call_on_cancel(call, stream_cancelled, running);
    sw_call_on_credit(call, stream_more, running);
    stream_more(call, running);
}

sw_code echo_add(sw_dispatch *dispatch, echo *context, sw_error *error)
{
    const struct {
        const char *name;
        sw_handler *handler;
    } methods[] = {{"Echo", echo_text}, {"Delay", echo_late}, {"Stream", echo_stream}, {"Fail", fail}};
    sw_code code = SW_OK;
    for (size_t i = 0; code == SW_OK && i < sizeof(methods) / sizeof(*methods); i++) {
        const sw_method method = {&sw__echo__descriptor, methods[i].name, methods[i].handler, context};
        code = sw_dispatch_add(dispatch, &method, error);
    }
    return code;
}
