// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.RunReport;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Hears of every call: each begins once and ends once, and so does each of its attempts. */
final class CallEventChecker implements LlmListener {
  private final RunReport report;
  private final Map<Long, CallEvents> calls = new ConcurrentHashMap<>();
  private final AtomicLong attemptsEnded = new AtomicLong();

  private static final class CallEvents {
    final AtomicInteger started = new AtomicInteger();
    final AtomicInteger ended = new AtomicInteger();
    final AtomicInteger attemptsStarted = new AtomicInteger();
    final AtomicInteger attemptsEnded = new AtomicInteger();

    boolean isWhole() {
      return started.get() == 1 && ended.get() == 1 && attemptsStarted.get() == attemptsEnded.get();
    }

    @Override
    public String toString() {
      return "started %s, ended %s, attempts started %s, ended %s"
          .formatted(started, ended, attemptsStarted, attemptsEnded);
    }
  }

  CallEventChecker(RunReport report) {
    this.report = report;
  }

  private CallEvents told(long call) {
    return calls.computeIfAbsent(call, key -> new CallEvents());
  }

  @Override
  public void onCallStarted(long call, Map<String, String> tags) {
    told(call).started.incrementAndGet();
  }

  @Override
  public void onAttemptStarted(long call, String endpoint, String model) {
    told(call).attemptsStarted.incrementAndGet();
  }

  @Override
  public void onAttemptEnded(long call, Attempt attempt) {
    told(call).attemptsEnded.incrementAndGet();
    attemptsEnded.incrementAndGet();
    String outcome = attempt.failure().map(Enum::name).orElse("ANSWERED");
    report.count("attempt " + outcome);
    report.reportError("attempt", outcome.equals("INTERNAL") ? attempt.toString() : "");
  }

  @Override
  public void onCallAnswered(long call, ChatResponse response) {
    told(call).ended.incrementAndGet();
  }

  @Override
  public void onCallFailed(long call, LlmException failure) {
    told(call).ended.incrementAndGet();
  }

  @Override
  public void onEndpointChanged(EndpointChange change) {
    report.count("change to " + change.to());
  }

  /** Returns how many attempts have ended. */
  long attemptsEnded() {
    return attemptsEnded.get();
  }

  /** Checks the events of all calls, once they are over. */
  void verify() {
    calls.forEach(
        (call, told) -> report.reportError("call", told.isWhole() ? "" : told.toString()));
    calls.clear();
  }
}
