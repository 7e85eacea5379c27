/* What a client cannot go below: one epoll loop, one recv and one send a round trip, nothing parsed or measured.
 *
 * Connection i joins group i / GROUP_SIZE; the first of each group publishes, and again whenever something came. So
 * with GROUP_SIZE 1 it is the closed-loop echo, and with more a fan-out whose receivers throw away what they read.
 *
 * `spin`: it polls, when it is a server that is measured and not this client (why: echo_server.c).
 *
 *     floor_client PORT PATH CONNECTIONS GROUP_SIZE DATA_BYTES spin|sleep        runs until it is ended
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

struct link {
    int fd, publishes;
    size_t size;
    char *frame;
};

static char input[256 * 1024];

/* A masked text frame. The mask key is 0: masking would cost what this client is the lower bound of. */
static char *frame(const char *text, size_t *size) {
    size_t length = strlen(text), header = length < 126 ? 6 : 8;
    char *at = calloc(1, header + length);
    at[0] = (char)0x81;
    at[1] = (char)(0x80 | (length < 126 ? length : 126));
    if (header == 8) at[2] = (char)(length >> 8), at[3] = (char)length;
    memcpy(at + header, text, length);
    *size = header + length;
    return at;
}

static void expect(int fd, const char *text) {
    size_t have = 0;
    while (memmem(input, have, text, strlen(text)) == NULL) {
        ssize_t got = recv(fd, input + have, sizeof input - have, 0);
        if (got <= 0) {
            fprintf(stderr, "no %s: %.*s\n", text, (int)have, input);
            exit(1);
        }
        have += (size_t)got;
    }
}

static void dial(struct link *link, int port, const char *path, int group, int data_bytes) {
    struct sockaddr_in there = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int one = 1;
    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(link->fd, (struct sockaddr *)&there, sizeof there)) exit(1);
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char text[4096];
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n\r\n",
                          path, port);
    send(link->fd, text, (size_t)length, 0);
    expect(link->fd, "\"connected\"");
    snprintf(text, sizeof text, "{\"type\":\"joinGroup\",\"group\":\"floor-%d\",\"ackId\":1}", group);
    size_t size;
    char *join = frame(text, &size);
    send(link->fd, join, size, 0);
    free(join);
    expect(link->fd, "true");
    length = snprintf(text, sizeof text, "{\"type\":\"sendToGroup\",\"group\":\"floor-%d\",\"dataType\":\"text\",\"data\":\"",
                      group);
    memset(text + length, 'x', (size_t)data_bytes);
    strcpy(text + length + data_bytes, "\"}");
    link->frame = frame(text, &link->size);
}

int main(int count, char **arguments) {
    if (count != 7) return 2;
    int timeout = strcmp(arguments[6], "spin") == 0 ? 0 : -1;
    int port = atoi(arguments[1]), connections = atoi(arguments[3]), group_size = atoi(arguments[4]);
    int loop = epoll_create1(0);
    struct link *links = calloc((size_t)connections, sizeof *links);
    for (int i = 0; i < connections; i++) {
        dial(&links[i], port, arguments[2], i / group_size, atoi(arguments[5]));
        links[i].publishes = i % group_size == 0;
    }
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &links[i]};
        epoll_ctl(loop, EPOLL_CTL_ADD, links[i].fd, &event);
    }
    for (int i = 0; i < connections; i++)
        if (links[i].publishes) send(links[i].fd, links[i].frame, links[i].size, 0);
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(loop, events, EVENTS, timeout);
        for (int i = 0; i < ready; i++) {
            struct link *link = events[i].data.ptr;
            if (recv(link->fd, input, sizeof input, 0) <= 0) return 1;
            if (link->publishes) send(link->fd, link->frame, link->size, 0);
        }
    }
}
