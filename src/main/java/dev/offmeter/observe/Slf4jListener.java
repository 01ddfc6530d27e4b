// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Writes the log of a client, under the logger {@code dev.offmeter}: WARN once when an endpoint's
 * state changes, DEBUG for each fall-through and each answer. A call that failed is not logged: its
 * exception tells the caller, who logs it. No level shows a prompt, an answer or a secret.
 */
public final class Slf4jListener implements LlmListener {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** The cause last told of each endpoint. */
  private final Map<String, String> told = new ConcurrentHashMap<>();

  @Override
  public void fellThrough(long call, Attempt attempt, String next) {
    if (!LOG.isDebugEnabled()) {
      return;
    }
    LOG.atDebug()
        .addKeyValue("call", call)
        .addKeyValue("endpoint", attempt.endpoint())
        .addKeyValue("failure", attempt.failure().map(Enum::name).orElse(""))
        .addKeyValue("next", next)
        .log("call {} falls through to {} after {}", call, next, attempt);
  }

  @Override
  public void callAnswered(long call, ChatResponse response) {
    if (!LOG.isDebugEnabled()) {
      return;
    }
    LOG.atDebug()
        .addKeyValue("call", call)
        .addKeyValue("endpoint", response.endpoint())
        .log("call {} answered: {}", call, response);
  }

  @Override
  public void endpointChanged(EndpointChange change) {
    // A trial decides nothing yet, and one that fails only confirms what was said.
    boolean news =
        change.to() == EndpointState.UP
            || (change.to() == EndpointState.DOWN && isNewCause(change));
    LOG.atLevel(news ? Level.WARN : Level.DEBUG)
        .addKeyValue("endpoint", change.endpoint())
        .addKeyValue("state", change.to())
        .addKeyValue("cause", change.cause())
        .log(
            "endpoint {} is {}{}",
            change.endpoint(),
            change.to(),
            change.to() == EndpointState.DOWN ? reason(change) : "");
  }

  private boolean isNewCause(EndpointChange change) {
    String cause = String.valueOf(change.cause());
    boolean same = cause.equals(told.put(change.endpoint(), cause));
    return change.from() == EndpointState.UP || !same;
  }

  private static String reason(EndpointChange change) {
    return " ("
        + change.cause()
        + ": "
        + change.message()
        + "), asked again in "
        + change.leftAlone().toMillis()
        + " ms";
  }
}
