// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.time.CancellationToken;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One call that is read while it comes, no faster than its reader wants it: it runs on the reader's
 * thread, and what is not asked for stays in the socket. Read by one thread at a time; {@link
 * #close()} may be called by any.
 */
public final class StreamingCall implements AutoCloseable {
  private final BufferedStreamSink sink;
  private final CancellationToken token;
  private final Supplier<FailoverCall> callFactory;
  private final Consumer<@Nullable ChatResponse> onEnd;
  private final ReentrantLock readLock = new ReentrantLock();

  // All below: guarded by the read lock. Whoever closes the stream while its reader reads finds it
  // taken, and leaves the end to the reader.

  private @Nullable FailoverCall call;
  private @Nullable ChatResponse response;
  private @Nullable LlmException failure;
  private boolean ended;

  StreamingCall(
      BufferedStreamSink sink,
      CancellationToken token,
      Supplier<FailoverCall> callFactory,
      Consumer<@Nullable ChatResponse> onEnd) {
    this.sink = sink;
    this.token = token;
    this.callFactory = callFactory;
    this.onEnd = onEnd;
    token.onCancelled(this::abortIfCancelled);
  }

  /**
   * Reads on.
   *
   * @return the next event; null after the last
   * @throws LlmException if there is no answer, or it broke off, or the call was stopped; and again
   *     each time
   */
  public @Nullable ChatEvent next() {
    readLock.lock();
    try {
      ChatEvent event = sink.poll();
      if (event == null && !ended) {
        event = advanceToEvent();
      }
      if (event == null && failure != null) {
        throw failure;
      }
      return event;
    } finally {
      readLock.unlock();
      abortIfCancelled();
    }
  }

  private @Nullable ChatEvent advanceToEvent() {
    FailoverCall running = call == null ? callFactory.get() : call;
    call = running;
    running.onReaderWaiting();
    ChatEvent event = null;
    while (event == null && !ended) {
      advance(running);
      event = sink.poll();
    }
    running.onReaderIdle();
    return event;
  }

  private void advance(FailoverCall running) {
    boolean goesOn = false;
    try {
      Step step = running.advance();
      goesOn = step instanceof Step.Continue;
      if (step instanceof Step.Answered answered) {
        response = answered.response();
        sink.onCompleted(answered.response());
      } else if (!goesOn) {
        failure = running.exhausted();
      }
    } catch (LlmException e) {
      failure = e;
    } catch (Throwable e) {
      failure = new LlmException("the call was broken off by " + UserCode.describe(e), List.of());
    } finally {
      if (!goesOn) {
        finish();
      }
    }
  }

  private void finish() {
    ended = true;
    onEnd.accept(response);
    UserCode.giveBackInterrupt();
  }

  /** The whole answer, once the last event has been read; null before. */
  public @Nullable ChatResponse response() {
    readLock.lock();
    try {
      return response;
    } finally {
      readLock.unlock();
    }
  }

  /**
   * Ends the call and closes its connection; without effect once it has ended. A thread that is
   * reading gets an {@link LlmException} at once.
   */
  @Override
  public void close() {
    token.cancel("the stream was closed");
  }

  /** Aborts a cancelled call, unless a reader is in it: that one calls this when it is done. */
  private void abortIfCancelled() {
    String why = token.requestedReason();
    // The reader itself may close the stream, from within a listener: then the call is not done
    // yet.
    if (why != null && !readLock.isHeldByCurrentThread() && readLock.tryLock()) {
      try {
        if (!ended) {
          abort(why);
        }
      } finally {
        readLock.unlock();
      }
    }
  }

  private void abort(String why) {
    try {
      failure =
          call == null
              ? new LlmException("the call was stopped: " + why, List.of())
              : call.abort(why);
    } finally {
      finish();
    }
  }
}
