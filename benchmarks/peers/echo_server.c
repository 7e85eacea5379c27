/* The fastest server that still answers as Web PubSub does, so that the client is what a comparison measures.
 *
 * One epoll loop, json.webpubsub.azure.v1 only: upgrades, says `connected`, acks joins, and returns each
 * publication to its sender as the group's message. No groups, no tokens, no checks. Numbers that the bench reads
 * stand in the shared file: [0] messages, [1] connections.
 *
 * On a core of its own it polls instead of sleeping, for as long as messages come: to wake a sleeping server costs the
 * *client* several microseconds a message (an interrupt of the other core, inside the client's send), which no client
 * pays whose server is another machine.
 *
 *     echo_server COUNTERS_FILE spin|sleep        prints the port
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN = 64 * 1024, EVENTS = 256, IDLE_POLLS = 20 * 1000, PAUSES = 40 };

struct peer {
    int fd, open;
    size_t have;
    unsigned char *in; /* only while something is incomplete */
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static uint64_t *counters;
static unsigned char input[IN], output[4 * IN];

/* -- RFC 6455 section 4.2.2: the accept key is base64(SHA-1(key + GUID)) -- */

static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1(const unsigned char *text, size_t size, unsigned char digest[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char padded[192] = {0};
    size_t blocks = (size + 8) / 64 + 1;
    memcpy(padded, text, size);
    padded[size] = 0x80;
    for (int i = 0; i < 8; i++) padded[blocks * 64 - 1 - i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t b = 0; b < blocks; b++) {
        uint32_t w[80], a = h[0], c[4] = {h[1], h[2], h[3], h[4]};
        for (int i = 0; i < 16; i++) {
            uint32_t word;
            memcpy(&word, padded + b * 64 + i * 4, 4);
            w[i] = ntohl(word);
        }
        for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20   ? ((c[0] & c[1]) | (~c[0] & c[2])) + 0x5A827999
                         : i < 40 ? (c[0] ^ c[1] ^ c[2]) + 0x6ED9EBA1
                         : i < 60 ? ((c[0] & c[1]) | (c[0] & c[2]) | (c[1] & c[2])) + 0x8F1BBCDC
                                  : (c[0] ^ c[1] ^ c[2]) + 0xCA62C1D6;
            uint32_t next = rol(a, 5) + f + c[3] + w[i];
            c[3] = c[2], c[2] = c[1], c[1] = rol(c[0], 30), c[0] = a, a = next;
        }
        h[0] += a;
        for (int i = 0; i < 4; i++) h[i + 1] += c[i];
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void accept_key(const char *key, char answer[29]) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char text[64], digest[22] = {0};
    memcpy(text, key, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    sha1(text, 60, digest);
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)digest[i * 3] << 16 | (uint32_t)digest[i * 3 + 1] << 8 | digest[i * 3 + 2];
        for (int j = 0; j < 4; j++) answer[i * 4 + j] = alphabet[three >> (18 - 6 * j) & 63];
    }
    answer[27] = '=';
    answer[28] = 0;
}

/* -- frames -- */

static size_t put_frame(unsigned char *at, int opcode, const char *head, size_t head_size, const unsigned char *rest,
                        size_t rest_size) {
    size_t size = head_size + rest_size, header = size < 126 ? 2 : 4;
    at[0] = (unsigned char)(0x80 | opcode);
    at[1] = (unsigned char)(size < 126 ? size : 126);
    if (header == 4) at[2] = (unsigned char)(size >> 8), at[3] = (unsigned char)size;
    memcpy(at + header, head, head_size);
    memcpy(at + header + head_size, rest, rest_size);
    return header + size;
}

#define SEND "{\"type\":\"sendToGroup\","
#define MESSAGE "{\"type\":\"message\",\"from\":\"group\",\"fromUserId\":\"bench\","
#define CONNECTED "{\"type\":\"system\",\"event\":\"connected\",\"userId\":\"bench\",\"connectionId\":\"bench\"}"

static size_t answer(unsigned char *at, int opcode, unsigned char *payload, size_t size) {
    if (opcode == 9) return put_frame(at, 10, "", 0, payload, size);
    if (opcode == 8) return put_frame(at, 8, "", 0, payload, size < 2 ? 0 : 2);
    if (opcode != 1) return 0;
    if (size > sizeof SEND && memcmp(payload, SEND, sizeof SEND - 1) == 0) {
        counters[0]++;
        return put_frame(at, 1, MESSAGE, sizeof MESSAGE - 1, payload + sizeof SEND - 1, size - (sizeof SEND - 1));
    }
    payload[size - 1] = 0; /* the closing brace: what follows is a string for strstr */
    const char *ack = strstr((const char *)payload, "\"ackId\":");
    if (ack == NULL) return 0;
    char text[96];
    int length = snprintf(text, sizeof text, "{\"type\":\"ack\",\"ackId\":%ld,\"success\":true}", atol(ack + 8));
    return put_frame(at, 1, text, (size_t)length, payload, 0);
}

/* Answers all whole frames of `in`; returns how many bytes they were, -1 to hang up. */
static ssize_t frames(struct peer *peer, unsigned char *in, size_t size) {
    size_t at = 0, out = 0;
    int closing = 0;
    while (size - at >= 6 && !closing) {
        size_t length = in[at + 1] & 0x7F, start = at + 2;
        if (length == 126) length = (size_t)in[at + 2] << 8 | in[at + 3], start += 2;
        if (length > IN || !(in[at + 1] & 0x80)) return -1;
        if (size - start < 4 + length) break;
        unsigned char *mask = in + start, *payload = mask + 4;
        uint64_t wide;
        uint32_t key;
        memcpy(&key, mask, 4);
        wide = (uint64_t)key << 32 | key;
        size_t i = 0;
        for (uint64_t eight; i + 8 <= length; i += 8) {
            memcpy(&eight, payload + i, 8);
            eight ^= wide;
            memcpy(payload + i, &eight, 8);
        }
        for (; i < length; i++) payload[i] ^= mask[i & 3];
        closing = (in[at] & 15) == 8;
        out += answer(output + out, in[at] & 15, payload, length);
        at = start + 4 + length;
    }
    if (out && send(peer->fd, output, out, MSG_NOSIGNAL) != (ssize_t)out) return -1;
    return closing ? -1 : (ssize_t)at;
}

static ssize_t upgrade(struct peer *peer, unsigned char *in, size_t size) {
    if (size < 4 || memcmp(in + size - 4, "\r\n\r\n", 4) != 0) return 0;
    in[size - 1] = 0;
    const char *key = strcasestr((const char *)in, "sec-websocket-key: ");
    if (key == NULL) return -1;
    char value[29], text[512];
    accept_key(key + 19, value);
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n\r\n",
                          value);
    memcpy(output, text, (size_t)length);
    size_t out = (size_t)length + put_frame(output + length, 1, CONNECTED, sizeof CONNECTED - 1, in, 0);
    if (send(peer->fd, output, out, MSG_NOSIGNAL) != (ssize_t)out) return -1;
    peer->open = 1;
    counters[1]++;
    return (ssize_t)size;
}

static void hang_up(struct peer *peer) {
    counters[1] -= (uint64_t)peer->open;
    close(peer->fd);
    free(peer->in);
    free(peer);
}

static void readable(struct peer *peer) {
    size_t kept = peer->have;
    if (kept) memcpy(input, peer->in, kept);
    ssize_t got = recv(peer->fd, input + kept, IN - kept - 1, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) hang_up(peer);
        return;
    }
    size_t size = kept + (size_t)got;
    ssize_t used = peer->open ? frames(peer, input, size) : upgrade(peer, input, size);
    if (used < 0) {
        hang_up(peer);
        return;
    }
    peer->have = size - (size_t)used;
    if (peer->have) {
        if (peer->in == NULL) peer->in = malloc(IN);
        memcpy(peer->in, input + used, peer->have);
    }
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int spins = strcmp(arguments[2], "spin") == 0, idle = 0;
    int file = open(arguments[1], O_RDWR);
    counters = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || counters == MAP_FAILED) return 1;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, loop = epoll_create1(0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    if (bind(listener, (struct sockaddr *)&here, length) || listen(listener, 4096)) return 1;
    getsockname(listener, (struct sockaddr *)&here, &length);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(loop, events, EVENTS, spins && idle < IDLE_POLLS ? 0 : -1);
        idle = ready ? 0 : idle + 1;
        for (int i = 0; ready == 0 && i < PAUSES; i++) relax();
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr != NULL) {
                readable(events[i].data.ptr);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            struct peer *peer = calloc(1, sizeof *peer);
            peer->fd = fd;
            event.data.ptr = peer;
            epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
