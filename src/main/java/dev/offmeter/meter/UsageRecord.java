// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import dev.offmeter.Attempt;
import dev.offmeter.internal.json.JsonLine;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A row of a {@link UsageLog}: one attempt that has ended. Holds no prompt, no answer, no secret
 * and no message of a server. Immutable, so safe for use by many threads.
 *
 * @param endedAt when the attempt ended, by the machine's clock
 * @param client tells the clients apart whose rows are in one log: random, and new for each client
 *     that is built
 * @param call tells the calls of that client apart: the number that a listener is given
 * @param number the number of the attempt within its call, from 1, in the order in which they began
 * @param tags the request's labels; a NUL or half of a surrogate pair in them, which a database or
 *     a file cannot hold, is replaced by U+FFFD
 * @param session the request's session
 * @param modelAsked the model that was asked for; {@link Attempt#model()} is the one that answered
 * @param streamed whether the call was a stream
 * @param attempt the attempt, without its message and without the {@code usage().computeTime()} of
 *     the server, which {@link Attempt#computeTime()} has
 */
public record UsageRecord(
    Instant endedAt,
    UUID client,
    long call,
    int number,
    Map<String, String> tags,
    Optional<String> session,
    String modelAsked,
    boolean streamed,
    Attempt attempt) {

  /** Creates a row. */
  public UsageRecord {
    Objects.requireNonNull(endedAt, "endedAt");
    Objects.requireNonNull(client, "client");
    tags = StorableText.of(tags);
    Objects.requireNonNull(session, "session");
    Objects.requireNonNull(modelAsked, "modelAsked");
    attempt =
        attempt.toBuilder()
            .message("")
            .usage(attempt.usage().withTimes(Duration.ZERO, attempt.usage().loadTime()))
            .build();
  }

  /**
   * Returns the row as names and values of columns, which {@code docs/usage-log.md} describes, in
   * their order. A value is a text, an {@link Instant}, a boolean, a number ({@link Long}, {@link
   * Integer} or, for money and seconds, {@link BigDecimal}), null, or for {@code tags} a map of
   * texts.
   */
  public Map<String, @Nullable Object> toMap() {
    Map<String, @Nullable Object> row = new LinkedHashMap<>();
    row.put("ended_at", endedAt);
    row.put("client_id", client.toString());
    row.put("call_id", call);
    row.put("attempt", number);
    row.put("endpoint", attempt.endpoint());
    row.put("origin", attempt.origin());
    row.put("model", modelAsked);
    row.put("model_answered", attempt.failure().isEmpty() ? attempt.model() : null);
    row.put("outcome", UsageFields.outcome(attempt));
    row.put("http_status", attempt.status().isEmpty() ? null : attempt.status().getAsInt());
    row.put("tags", tags);
    row.put("session", session.orElse(null));
    row.put("streamed", streamed);
    UsageFields.put(row, attempt);
    return row;
  }

  /** Returns the row as one line of JSON, without a line break; see {@link #toMap()}. */
  public String toJson() {
    Map<String, @Nullable Object> row = toMap();
    row.put("ended_at", endedAt.toString());
    return JsonLine.write(row);
  }

  /** Returns the tags as a JSON object in one line. */
  public String tagsAsJson() {
    return JsonLine.write(tags);
  }

  /**
   * Returns the row that {@link #toJson()} has written.
   *
   * @throws IllegalArgumentException if the text is not such a row
   */
  public static UsageRecord fromJson(String line) {
    return new UsageFields(JsonLine.read(line)).record();
  }
}
