/* The floor: a C consumer that takes deliveries and acknowledges every hundredth, and does nothing else. */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int main(int count, char **words) { /* host port user password queue number */
  if (count != 7) return 2;
  long wanted = atol(words[6]);
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (amqp_socket_open(socket, words[1], atoi(words[2]))) return 1;
  amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, words[3], words[4]);
  amqp_channel_open(connection, 1);
  amqp_basic_qos(connection, 1, 0, 1000, 0);
  amqp_basic_consume(connection, 1, amqp_cstring_bytes(words[5]), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  double began = 0, worked = 0;
  for (long at = 1; at <= wanted; at++) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    if (amqp_consume_message(connection, &envelope, NULL, 0).reply_type != AMQP_RESPONSE_NORMAL) return 1;
    if (at == 1) began = now(CLOCK_MONOTONIC), worked = now(CLOCK_PROCESS_CPUTIME_ID);
    if (at % 100 == 0 || at == wanted) amqp_basic_ack(connection, 1, envelope.delivery_tag, 1);
    amqp_destroy_envelope(&envelope);
  }
  printf("{\"events\": %ld, \"seconds\": %f, \"cpu\": %f}\n", wanted, now(CLOCK_MONOTONIC) - began,
         now(CLOCK_PROCESS_CPUTIME_ID) - worked);
  return 0;
}
