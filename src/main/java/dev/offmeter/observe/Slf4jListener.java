// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.guard.BudgetStatus;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * Writes the log of a client, under the logger {@code dev.offmeter}. No level shows a prompt, an
 * answer or a secret.
 *
 * <ul>
 *   <li>WARN when an endpoint goes DOWN, or stays DOWN for another cause than the last one logged;
 *       once for each endpoint that is sent more requests than it can serve, with what to set; for
 *       each answer without end that was stopped; for each alert of a budget; when requests wait
 *       longer than is usual for a first token, with what to set.
 *   <li>INFO when an endpoint is UP again, when it loads its model, and when the model could not be
 *       loaded for the cause logged last.
 *   <li>DEBUG for a trial, for one that failed for the cause logged last, each fall-through and
 *       each answer.
 * </ul>
 *
 * <p>A call that failed is not logged: its exception tells the caller, who logs it.
 */
public final class Slf4jListener implements LlmListener {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private static final String ADVICE =
      "works on fewer requests at a time than it is sent (OVERLOADED): raise OLLAMA_NUM_PARALLEL on"
          + " its node, or set maxConcurrent on the endpoint, so that calls beyond it go on at"
          + " once; see docs/troubleshooting.md#"
          + FailureKind.OVERLOADED.anchor();

  /** The cause of the last warning, for each endpoint that has not been UP since. */
  private final Map<String, String> warned = new ConcurrentHashMap<>();

  private final Set<String> advised = ConcurrentHashMap.newKeySet();

  /** A listener that has warned of nothing yet. */
  public Slf4jListener() {}

  @Override
  public void onFallback(long call, Attempt attempt, String next) {
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
  public void onCallAnswered(long call, ChatResponse response) {
    if (!LOG.isDebugEnabled()) {
      return;
    }
    LOG.atDebug()
        .addKeyValue("call", call)
        .addKeyValue("endpoint", response.endpoint())
        .log("call {} answered: {}", call, response);
  }

  @Override
  public void onAttemptEnded(long call, Attempt attempt) {
    boolean overloaded = attempt.failure().filter(FailureKind.OVERLOADED::equals).isPresent();
    if (overloaded && advised.add(attempt.endpoint())) {
      LOG.atWarn()
          .addKeyValue("call", call)
          .addKeyValue("endpoint", attempt.endpoint())
          .addKeyValue("failure", FailureKind.OVERLOADED.name())
          .log("endpoint {} " + ADVICE, named(attempt.endpoint(), attempt.origin()));
    }
  }

  @Override
  public void onRunawayStopped(long call, Runaway runaway) {
    LOG.atWarn()
        .addKeyValue("call", call)
        .addKeyValue("endpoint", runaway.endpoint())
        .addKeyValue("failure", FailureKind.RUNAWAY.name())
        .log(
            "an answer of endpoint {} was stopped after {} characters (RUNAWAY): it {}; see"
                + " docs/troubleshooting.md#{}",
            named(runaway.endpoint(), runaway.origin()),
            runaway.characters(),
            runaway.kind() == Runaway.Kind.REPETITION
                ? "repeated itself"
                : "went on after maxTokens",
            FailureKind.RUNAWAY.anchor());
  }

  @Override
  public void onBudgetAlert(BudgetStatus budget, double share) {
    LoggingEventBuilder line = LOG.atWarn().addKeyValue("budget", budget.budget().name());
    if (share >= 1 && budget.spent() < budget.budget().limit()) {
      line.log("budget {}: it has no room for a request", budget);
    } else {
      line.log("budget {}: {} % of it are spent", budget, Math.round(share * 100));
    }
  }

  @Override
  public void onQueueAlert(QueueAlert alert) {
    LOG.atWarn()
        .addKeyValue("endpoint", alert.endpoint())
        .log(
            "endpoint {} lets requests wait: {}; {}; see docs/troubleshooting.md#queue-alert",
            named(alert.endpoint(), alert.origin()),
            alert,
            alert.advice());
  }

  @Override
  public void onEndpointChanged(EndpointChange change) {
    LoggingEventBuilder line =
        LOG.atLevel(level(change))
            .addKeyValue("endpoint", change.endpoint())
            .addKeyValue("state", change.to());
    FailureKind cause = change.cause();
    (cause == null ? line : line.addKeyValue("cause", cause))
        .log(
            "endpoint {} is {}{}",
            named(change.endpoint(), change.origin()),
            change.to(),
            details(change));
  }

  private static String named(String endpoint, String origin) {
    return origin.isEmpty() ? endpoint : endpoint + " at " + origin;
  }

  private Level level(EndpointChange change) {
    if (change.to() == EndpointState.UP) {
      warned.remove(change.endpoint());
    }
    return switch (change.to()) {
      case DOWN -> levelOfDown(change);
      // A load ends by itself, and happens whenever a model has been idle for long.
      case UP, WARMING -> Level.INFO;
      // A trial has not decided anything yet.
      case TRIAL -> Level.DEBUG;
    };
  }

  /**
   * Returns the level for an endpoint that goes DOWN: a cause that was logged for this outage need
   * not alert anybody again.
   */
  private Level levelOfDown(EndpointChange change) {
    String cause = String.valueOf(change.cause());
    if (!cause.equals(warned.put(change.endpoint(), cause))) {
      return Level.WARN;
    }
    return change.from() == EndpointState.WARMING ? Level.INFO : Level.DEBUG;
  }

  private static String details(EndpointChange change) {
    String why = " (" + change.cause() + ": " + change.message() + ")";
    return switch (change.to()) {
      case DOWN -> why + backoffText(change);
      case WARMING -> why;
      case UP, TRIAL -> "";
    };
  }

  private static String backoffText(EndpointChange change) {
    double seconds = change.backoff().toMillis() / 1000.0;
    return String.format(
        Locale.ROOT,
        ", asked again in %.1f s unless a health check or an answer says otherwise",
        seconds);
  }
}
