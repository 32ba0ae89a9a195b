/* The names and command bytes of both framings (docs/protocol.md, sections 1, 2 and 6): MDP/0.2
 * (ZeroMQ RFC 18) with two commands of our own, and compact framing. Used by everything that reads
 * or writes frames. */
#ifndef SW_WIRE_MDP_H
#define SW_WIRE_MDP_H

/* The first frame of a message between client and broker, and between worker and broker. */
#define SW_MDP_CLIENT "MDPC02"
#define SW_MDP_WORKER "MDPW02"

/* Between client and broker. */
typedef enum {
    SW_MDP_CLIENT_REQUEST = 0x01,
    SW_MDP_CLIENT_PARTIAL = 0x02,
    SW_MDP_CLIENT_FINAL = 0x03,
    SW_MDP_CLIENT_CANCEL = 0x10, /* ours */
    SW_MDP_CLIENT_CREDIT = 0x11  /* ours */
} sw_mdp_client_command;

/* Between worker and broker. */
typedef enum {
    SW_MDP_WORKER_READY = 0x01,
    SW_MDP_WORKER_REQUEST = 0x02,
    SW_MDP_WORKER_PARTIAL = 0x03,
    SW_MDP_WORKER_FINAL = 0x04,
    SW_MDP_WORKER_HEARTBEAT = 0x05,
    SW_MDP_WORKER_DISCONNECT = 0x06,
    SW_MDP_WORKER_CANCEL = 0x10, /* ours */
    SW_MDP_WORKER_CREDIT = 0x11  /* ours */
} sw_mdp_worker_command;

/* Services that the broker itself answers (RFC 8). */
#define SW_MMI_PREFIX  "mmi."
#define SW_MMI_SERVICE "mmi.service" /* is there a worker for this service? */
#define SW_MMI_FRAMING "mmi.framing" /* which framings do you know? */

#define SW_COMPACT_NAME    "SW1" /* of compact framing, in that answer */
#define SW_COMPACT_MAGIC   "SW"  /* how each compact frame begins, followed by the version */
#define SW_COMPACT_VERSION 1

/* Compact framing, both sides. A batch is a frame of several messages (wire/batch.h). */
typedef enum {
    SW_COMPACT_REQUEST = 1,
    SW_COMPACT_PARTIAL = 2,
    SW_COMPACT_FINAL = 3,
    SW_COMPACT_CANCEL = 4,
    SW_COMPACT_CREDIT = 5,
    SW_COMPACT_BATCH = 6
} sw_compact_command;

#endif
