/* Takes part in the call of a room: a chat client in C, on libstrophe, with calls by `muji-call serve`. It needs no library for them, but a pipe.

       cc -o call call.c $(pkg-config --cflags --libs libstrophe)
       XMPP_JID=romeo@example.org XMPP_PASSWORD=... ./call balcony@conference.example.org --audio mic --speaker default

   What follows the room are options of `muji-call serve`. Events are printed, Ctrl-C leaves. XMPP_SERVER=host:port and XMPP_CA_FILE name a server of
   your own and its authority, MUJI_CALL the program, if it is not in the search path.

   A client does more than this: see "What a client does" in docs/serve.md. */

#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <sys/wait.h>
#include <unistd.h>

/* Milliseconds until the program has to be there, or to answer. */
enum { PATIENCE = 30000 };

static xmpp_ctx_t *context;
static xmpp_conn_t *connection;
static const char *room;
static volatile sig_atomic_t interrupted;

/* The program: its pipes, what it has said of a line, and what it said of itself. */
static pid_t child;
static FILE *asks;
static int says;
static char *said;
static size_t length, size;
static char *features, *last_will;

static void fail(const char *why)
{
    fprintf(stderr, "call: %s\n", why);
    exit(1);
}

static void *grown(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (!memory)
        fail("no memory");
    return memory;
}

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------- */

static void write_string(const char *text)
{
    fputc('"', asks);
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            fprintf(asks, "\\u%04x", *text);
        else
            fprintf(asks, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    fputc('"', asks);
}

/* The string whose quote `*at` stands before; `*at` goes behind it. NULL if there is none up to the end of a list. */
static char *next_string(const char **at)
{
    *at += strcspn(*at, "\"]");
    if (**at != '"')
        return NULL;
    char *text = grown(NULL, strlen(*at)), *end = text;
    for ((*at)++; **at && **at != '"'; (*at)++) {
        if (**at != '\\') {
            *end++ = **at;
        } else if (*++*at == 'u') { /* The program writes all but control characters as they are. */
            *end++ = strtol((char[]){(*at)[3], (*at)[4], 0}, NULL, 16);
            *at += 4;
        } else {
            const char *found = strchr("b\bf\fn\nr\rt\t", **at);
            *end++ = found ? found[1] : **at;
        }
    }
    *end = 0;
    if (**at)
        (*at)++;
    return text;
}

/* Where the value of this key begins, or NULL. In a string the quotes would have backslashes before them, so it is not found there. */
static const char *value(const char *line, const char *key)
{
    const char *found = strstr(line, key);
    return found ? found + strlen(key) : NULL;
}

/* ---- the program ---------------------------------------------------------------------------------------------------- */

static void start(char **options, int count)
{
    int in[2], out[2];
    if (pipe(in) || pipe(out) || (child = fork()) < 0)
        fail(strerror(errno));
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]), close(in[1]), close(out[0]), close(out[1]);
        char **arguments = grown(NULL, (count + 4) * sizeof *arguments);
        arguments[0] = "muji-call", arguments[1] = "serve", arguments[2] = "--stdio";
        memcpy(arguments + 3, options, (count + 1) * sizeof *options);
        const char *program = getenv("MUJI_CALL");
        execvp(program ? program : "muji-call", arguments);
        fail("muji-call cannot be started");
    }
    close(in[0]), close(out[1]);
    fcntl(in[1], F_SETFD, FD_CLOEXEC); /* Or another child would hold it open, and the program would outlive us. */
    signal(SIGPIPE, SIG_IGN); /* A program that is gone is noticed by the end of its lines. */
    asks = fdopen(in[1], "w");
    says = out[0];
}

/* The next line, if it comes in so many milliseconds. After the last, `says` is -1. */
static const char *next_line(int patience)
{
    static size_t before;
    length -= before;
    memmove(said, said + before, length);
    before = 0;
    while (says >= 0) {
        char *end = memchr(said, '\n', length);
        if (end) {
            *end = 0;
            before = end - said + 1;
            return said;
        }
        struct pollfd readable = {.fd = says, .events = POLLIN};
        int ready = poll(&readable, 1, patience);
        if (ready == 0)
            return NULL;
        if (ready < 0 && errno == EINTR)
            continue;
        if (length == size)
            said = grown(said, size *= 2);
        ssize_t more = read(says, said + length, size - length);
        if (more <= 0)
            says = -1;
        else
            length += more;
    }
    return NULL;
}

static void send_text(const char *xml)
{
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(context, xml);
    if (stanza) {
        xmpp_send(connection, stanza);
        xmpp_stanza_release(stanza);
    }
}

static void keep(char **what, const char *line)
{
    *what = strcpy(grown(*what, strlen(line) + 1), line);
}

/* Does what a line says; an event is shown. */
static void obey(const char *line)
{
    const char *xml = value(line, "\"xml\":");
    if (value(line, "\"method\":\"send\"") && xml) {
        char *text = next_string(&xml);
        send_text(text);
        free(text);
    } else if (value(line, "\"method\":\"last-will\"")) {
        keep(&last_will, line);
    } else if (value(line, "\"method\":\"ready\"")) {
        keep(&features, line);
    } else {
        puts(line);
        fflush(stdout);
    }
}

/* Asks, and waits for the answer; what is said before it is done. */
static const char *ask(const char *method, const char *parameter, const char *text)
{
    fprintf(asks, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{\"%s\":", method, parameter);
    write_string(text);
    fputs("}}\n", asks);
    fflush(asks);
    const char *line;
    while ((line = next_line(PATIENCE))) {
        if (!value(line, "\"method\":"))
            return line;
        obey(line);
    }
    says = -1; /* One that hangs is taken for gone. */
    return "";
}

/* ---- the client ----------------------------------------------------------------------------------------------------- */

static void add_features(xmpp_stanza_t *query)
{
    const char *at = value(features, "\"features\":");
    char *name;
    while (at && (name = next_string(&at))) {
        xmpp_stanza_t *feature = xmpp_stanza_new(context);
        xmpp_stanza_set_name(feature, "feature");
        xmpp_stanza_set_attribute(feature, "var", name);
        xmpp_stanza_add_child(query, feature);
        xmpp_stanza_release(feature);
        free(name);
    }
}

/* What is of no call. Others ask what this client can (XEP-0030), and each request wants an answer. */
static void handle(xmpp_stanza_t *stanza)
{
    const char *type = xmpp_stanza_get_type(stanza);
    bool get = type && !strcmp(type, "get"), set = type && !strcmp(type, "set");
    if (strcmp(xmpp_stanza_get_name(stanza), "iq") || !(get || set))
        return;
    xmpp_stanza_t *query = xmpp_stanza_get_child_by_ns(stanza, XMPP_NS_DISCO_INFO), *reply;
    if (get && query) {
        reply = xmpp_stanza_reply(stanza);
        xmpp_stanza_set_type(reply, "result");
        query = xmpp_stanza_copy(query);
        add_features(query);
        xmpp_stanza_add_child(reply, query);
        xmpp_stanza_release(query);
    } else {
        reply = xmpp_stanza_reply_error(stanza, "cancel", "service-unavailable", NULL);
    }
    xmpp_send(connection, reply);
    xmpp_stanza_release(reply);
}

static int came(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *data)
{
    (void)conn, (void)data;
    const char *name = xmpp_stanza_get_name(stanza);
    char *xml;
    size_t bytes;
    if ((strcmp(name, "iq") && strcmp(name, "message") && strcmp(name, "presence")) ||
        xmpp_stanza_to_text(stanza, &xml, &bytes) != XMPP_EOK)
        return 1;
    bool taken = value(ask("stanza", "xml", xml), "\"result\":\"taken\"");
    xmpp_free(context, xml);
    if (!taken)
        handle(stanza);
    return 1;
}

static void changed(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *why, void *over)
{
    (void)error, (void)why;
    if (event != XMPP_CONN_CONNECT) {
        *(bool *)over = true;
        return;
    }
    xmpp_handler_add(conn, came, NULL, NULL, NULL, NULL);
    ask("connected", "jid", xmpp_conn_get_bound_jid(conn));
    send_text("<presence xmlns='jabber:client'/>");
    puts(ask("join", "room", room)); /* The number of the call, or why not. */
}

static void connect_to(char *server, bool *over)
{
    char *port = server ? strrchr(server, ':') : NULL;
    if (port)
        *port++ = 0;
    xmpp_conn_set_jid(connection, getenv("XMPP_JID"));
    xmpp_conn_set_pass(connection, getenv("XMPP_PASSWORD"));
    if (getenv("XMPP_CA_FILE"))
        xmpp_conn_set_cafile(connection, getenv("XMPP_CA_FILE"));
    xmpp_conn_set_flags(connection, XMPP_CONN_FLAG_MANDATORY_TLS);
    if (xmpp_connect_client(connection, server, port ? atoi(port) : 0, changed, over) != XMPP_EOK)
        fail("there is no connection");
}

int main(int count, char **words)
{
    if (count < 2 || !getenv("XMPP_JID") || !getenv("XMPP_PASSWORD"))
        fail("usage: XMPP_JID=... XMPP_PASSWORD=... call ROOM [option of muji-call serve]...");
    room = words[1];
    said = grown(NULL, size = 1 << 16);
    start(words + 2, count - 2);
    xmpp_initialize();
    context = xmpp_ctx_new(NULL, xmpp_get_default_logger(XMPP_LEVEL_WARN));
    connection = xmpp_conn_new(context);
    bool over = false;
    const char *line = next_line(PATIENCE);
    if (!line)
        fail("muji-call does not start");
    obey(line);
    struct sigaction interruption = {.sa_handler = interrupt};
    sigaction(SIGINT, &interruption, NULL);
    sigaction(SIGTERM, &interruption, NULL);
    connect_to(getenv("XMPP_SERVER"), &over);

    /* A client with an event loop of its own waits for `says` in it instead. */
    while (!over && !interrupted && says >= 0) {
        xmpp_run_once(context, 20);
        while ((line = next_line(0)))
            obey(line);
    }
    bool died = !interrupted && says < 0;
    const char *at = last_will ? value(last_will, "\"stanzas\":") : NULL;
    char *stanza;
    while (at && (stanza = next_string(&at))) /* So the others see us leave. */
        send_text(stanza), free(stanza);
    xmpp_disconnect(connection);
    for (int times = 0; times < 100 && !over; times++)
        xmpp_run_once(context, 20);
    fclose(asks);
    if (died)
        kill(child, SIGKILL); /* It may hang. */
    waitpid(child, NULL, 0);
    xmpp_conn_release(connection);
    xmpp_ctx_free(context);
    xmpp_shutdown();
    return !interrupted;
}
