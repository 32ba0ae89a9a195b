/* Where a connection stands in ZMTP (ZeroMQ RFC 37), whoever speaks it for us: libzmq or zmtp.c. */
#ifndef SW_NET_ZMTP_STATE_H
#define SW_NET_ZMTP_STATE_H

typedef enum {
    SW_ZMTP_CONNECTING, /* or in the handshake */
    SW_ZMTP_UP,
    SW_ZMTP_LOST,        /* it was up */
    SW_ZMTP_UNREACHABLE, /* nobody accepts connections there; or no memory for the handshake */
    SW_ZMTP_HUNG_UP,     /* the peer ended the connection during the handshake */
    SW_ZMTP_MISMATCH,    /* the peer requires another security mechanism, such as CURVE */
    SW_ZMTP_REFUSED,     /* the peer answered with ERROR 400: our key, or what we are */
    SW_ZMTP_LATER,       /* the peer answered with another ERROR: it cannot decide now */
    SW_ZMTP_STRANGER     /* the peer does not speak ZMTP, or is no ROUTER */
} sw_zmtp_state;

#endif
