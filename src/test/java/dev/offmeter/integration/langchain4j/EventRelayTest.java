// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.offmeter.ChatEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Flow;
import org.junit.jupiter.api.Test;

/**
 * Demand and events on their way through the relay. What needs LangChain4j 1.20 is tested in {@code
 * src/it/langchain4j}.
 */
class EventRelayTest {
  private final List<Object> seen = new ArrayList<>();

  /** Demands three events, two of them from within the first. */
  private final class Subscriber implements Flow.Subscriber<Object> {
    private Flow.Subscription subscription;

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription = given;
      given.request(1);
    }

    @Override
    public void onNext(Object event) {
      seen.add(event);
      if (event instanceof PartialThinking) {
        subscription.request(2);
      } else {
        subscription.cancel();
      }
    }

    @Override
    public void onError(Throwable failure) {
      seen.add(failure);
    }

    @Override
    public void onComplete() {
      seen.add("complete");
    }
  }

  @Test
  void demandAndCancellationArePassedOnAsTheyAre() {
    EventRelay relay = new EventRelay(new Subscriber());
    relay.onSubscribe(
        new Flow.Subscription() {
          @Override
          public void request(long n) {
            seen.add(n);
          }

          @Override
          public void cancel() {
            seen.add("cancelled");
          }
        });

    relay.onNext(new ChatEvent.ThinkingDelta("hm"));
    relay.onNext(new ChatEvent.TextDelta("x"));

    assertThat(seen)
        .containsExactly(1L, new PartialThinking("hm"), 2L, new PartialResponse("x"), "cancelled");
  }

  @Test
  void aDemandBelowOneIsReportedAsSuch() {
    EventRelay relay = new EventRelay(new Subscriber());
    IllegalArgumentException rule = new IllegalArgumentException("demand must be at least 1");

    relay.onError(rule);

    assertThat(seen).containsExactly(rule);
  }
}
