// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse.ToolCall;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Passes a stream on to a subscriber as LangChain4j's events. The last event of a stream becomes
 * several: the tool calls and the complete response wait until they are demanded.
 *
 * <p>{@code CompleteResponse} is found by name, because it came with LangChain4j 1.20, and this
 * class must load with older versions too.
 */
final class EventRelay implements Flow.Subscriber<ChatEvent>, Flow.Subscription {
  private static final @Nullable MethodHandle COMPLETE_RESPONSE = completeResponse();

  private final Flow.Subscriber<Object> downstream;
  private final AtomicLong demand = new AtomicLong();
  private final AtomicInteger wakeUps = new AtomicInteger();
  private final Queue<Object> last = new ConcurrentLinkedQueue<>();
  private Flow.@Nullable Subscription upstream;
  private volatile boolean completed;
  private volatile boolean cancelled;

  @SuppressWarnings("unchecked") // Whoever subscribes, takes every event.
  EventRelay(Flow.Subscriber<?> downstream) {
    this.downstream = (Flow.Subscriber<Object>) downstream;
  }

  private static @Nullable MethodHandle completeResponse() {
    try {
      Class<?> type = Class.forName("dev.langchain4j.model.chat.response.CompleteResponse");
      return MethodHandles.publicLookup()
          .findConstructor(type, MethodType.methodType(void.class, ChatResponse.class));
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /**
   * Checks that LangChain4j has publishers.
   *
   * @throws UnsupportedFeatureException if it is older than 1.20
   */
  static void requirePublishers() {
    if (COMPLETE_RESPONSE == null) {
      throw new UnsupportedFeatureException("a stream as a publisher needs LangChain4j 1.20");
    }
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    upstream = subscription;
    downstream.onSubscribe(this);
  }

  @Override
  public void request(long n) {
    if (n > 0) {
      demand.accumulateAndGet(n, (had, more) -> had + more < 0 ? Long.MAX_VALUE : had + more);
    }
    if (!completed) {
      Objects.requireNonNull(upstream).request(n);
    }
    passLast();
  }

  @Override
  public void cancel() {
    cancelled = true;
    Objects.requireNonNull(upstream).cancel();
  }

  @Override
  public void onNext(ChatEvent event) {
    if (event instanceof ChatEvent.TextDelta delta) {
      pass(new PartialResponse(delta.text()));
    } else if (event instanceof ChatEvent.ThinkingDelta delta) {
      pass(new PartialThinking(delta.text()));
    } else if (event instanceof ChatEvent.Completed done) {
      addLast(done.response());
      completed = true;
      passLast();
    }
  }

  private void pass(Object event) {
    demand.decrementAndGet();
    downstream.onNext(event);
  }

  private void addLast(dev.offmeter.ChatResponse response) {
    List<ToolCall> calls = response.toolCalls();
    for (int i = 0; i < calls.size(); i++) {
      last.add(new CompleteToolCall(i, ResponseTranslator.toolCall(calls.get(i))));
    }
    last.add(completeResponse(ResponseTranslator.translate(response)));
  }

  private static Object completeResponse(ChatResponse response) {
    try {
      return Objects.requireNonNull(COMPLETE_RESPONSE).invoke(response);
    } catch (Throwable e) {
      throw new IllegalStateException("CompleteResponse must be creatable from a response", e);
    }
  }

  /** Passes on what has been demanded of the last events, by one thread at a time. */
  private void passLast() {
    if (!completed || wakeUps.getAndIncrement() > 0) {
      return;
    }
    int seen = wakeUps.get();
    do {
      while (!cancelled && demand.get() > 0 && !last.isEmpty()) {
        pass(last.remove());
        if (last.isEmpty() && !cancelled) {
          downstream.onComplete();
        }
      }
      seen = wakeUps.addAndGet(-seen);
    } while (seen != 0);
  }

  @Override
  public void onError(Throwable failure) {
    // A demand below 1 is to be reported as such, not as a request that was refused.
    downstream.onError(
        failure instanceof IllegalArgumentException
            ? failure
            : ExceptionTranslator.translate(failure));
  }

  @Override
  public void onComplete() {
    // Follows when the last events have been demanded.
  }
}
