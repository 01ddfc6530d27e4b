// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.PartialThinkingContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatResponse.ToolCall;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes a stream on to a handler, and is the handle by which the handler cancels it. The signals
 * come one after another, and none after a cancellation; {@link #cancel()} may be called by any
 * thread.
 */
final class HandlerSubscriber implements Flow.Subscriber<ChatEvent>, StreamingHandle {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final StreamingChatResponseHandler handler;
  private final @Nullable ClassLoader loader = Thread.currentThread().getContextClassLoader();
  private Flow.@Nullable Subscription subscription;
  private volatile boolean cancelled;

  /** Creates a subscriber whose handler has the class loader of this thread. */
  HandlerSubscriber(StreamingChatResponseHandler handler) {
    this.handler = Objects.requireNonNull(handler, "handler");
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    this.subscription = subscription;
    subscription.request(Long.MAX_VALUE);
  }

  @Override
  public void onNext(ChatEvent event) {
    inContext(
        () -> {
          try {
            pass(event);
          } catch (Throwable e) {
            onThrown(e);
          }
        });
  }

  private void onThrown(Throwable thrown) {
    if (!cancelled) {
      cancel();
      fail(thrown);
    }
  }

  private void pass(ChatEvent event) {
    if (event instanceof ChatEvent.TextDelta delta) {
      handler.onPartialResponse(
          new PartialResponse(delta.text()), new PartialResponseContext(this));
    } else if (event instanceof ChatEvent.ThinkingDelta delta) {
      handler.onPartialThinking(
          new PartialThinking(delta.text()), new PartialThinkingContext(this));
    } else if (event instanceof ChatEvent.Completed completed) {
      complete(completed.response());
    }
  }

  private void complete(ChatResponse response) {
    List<ToolCall> calls = response.toolCalls();
    for (int i = 0; i < calls.size() && !cancelled; i++) {
      handler.onCompleteToolCall(
          new CompleteToolCall(i, ResponseTranslator.toolCall(calls.get(i))));
    }
    if (!cancelled) {
      handler.onCompleteResponse(ResponseTranslator.translate(response));
    }
  }

  @Override
  public void onError(Throwable failure) {
    inContext(() -> fail(ExceptionTranslator.translate(failure)));
  }

  @Override
  public void onComplete() {
    // The completed response was the last.
  }

  private void fail(Throwable failure) {
    try {
      handler.onError(failure);
    } catch (Throwable e) {
      // The class only, because the message may hold what the handler was given.
      LOG.warn(
          "onError of {} threw {}, which is ignored",
          handler.getClass().getName(),
          e.getClass().getName());
    }
  }

  /** Runs a call of the handler with the caller's context class loader. */
  private void inContext(Runnable call) {
    Thread thread = Thread.currentThread();
    ClassLoader own = thread.getContextClassLoader();
    thread.setContextClassLoader(loader);
    try {
      call.run();
    } finally {
      thread.setContextClassLoader(own);
    }
  }

  @Override
  public void cancel() {
    cancelled = true;
    Flow.Subscription subscribed = subscription;
    if (subscribed != null) {
      subscribed.cancel();
    }
  }

  @Override
  public boolean isCancelled() {
    return cancelled;
  }
}
