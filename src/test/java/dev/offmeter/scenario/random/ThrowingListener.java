// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Seeds;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;

/** A listener that throws now and then, and takes its time. */
final class ThrowingListener implements LlmListener {
  private final Random random;

  ThrowingListener(long seed) {
    random = Seeds.of(seed, "listener");
  }

  private void act() {
    switch (random.nextInt(60)) {
      case 0 -> throw new IllegalStateException("a listener that throws, on purpose");
      case 1 -> throw new AssertionError("a listener that throws an error, on purpose");
      case 2 -> LockSupport.parkNanos(Duration.ofMillis(2).toNanos());
      default -> {
        // Most events pass quietly.
      }
    }
  }

  @Override
  public void onCallStarted(long call, Map<String, String> tags) {
    act();
  }

  @Override
  public void onAttemptStarted(long call, String endpoint, String model) {
    act();
  }

  @Override
  public void onAttemptEnded(long call, Attempt attempt) {
    act();
  }

  @Override
  public void onCallAnswered(long call, ChatResponse response) {
    act();
  }

  @Override
  public void onEndpointChanged(EndpointChange change) {
    act();
  }
}
