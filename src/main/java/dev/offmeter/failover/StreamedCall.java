// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.wire.ForeignCode;
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
public final class StreamedCall implements AutoCloseable {
  private final Showing showing;
  private final Cancellation cancellation;
  private final Supplier<OneCall> beginning;
  private final Consumer<@Nullable ChatResponse> whenOver;
  private final ReentrantLock reading = new ReentrantLock();
  private @Nullable OneCall call;
  private @Nullable ChatResponse response;
  private @Nullable LlmException failure;
  private boolean over;

  StreamedCall(
      Showing showing,
      Cancellation cancellation,
      Supplier<OneCall> beginning,
      Consumer<@Nullable ChatResponse> whenOver) {
    this.showing = showing;
    this.cancellation = cancellation;
    this.beginning = beginning;
    this.whenOver = whenOver;
    cancellation.whenCancelled(this::giveUpIfCancelled);
  }

  /**
   * Reads on.
   *
   * @return the next event; null after the last
   * @throws LlmException if there is no answer, or it broke off, or the call was stopped; and again
   *     each time
   */
  public @Nullable ChatEvent next() {
    reading.lock();
    try {
      ChatEvent event = showing.poll();
      if (event == null && !over) {
        event = readOn();
      }
      if (event == null && failure != null) {
        throw failure;
      }
      return event;
    } finally {
      reading.unlock();
      giveUpIfCancelled();
    }
  }

  private @Nullable ChatEvent readOn() {
    OneCall running = call == null ? beginning.get() : call;
    call = running;
    running.readerWaits();
    ChatEvent event = null;
    while (event == null && !over) {
      step(running);
      event = showing.poll();
    }
    running.readerRests();
    return event;
  }

  private void step(OneCall running) {
    boolean goesOn = false;
    try {
      response = running.step();
      goesOn = response == null;
      if (response != null) {
        showing.completed(response);
      }
    } catch (LlmException e) {
      failure = e;
    } catch (Throwable e) {
      failure =
          new LlmException("the call was broken off by " + ForeignCode.described(e), List.of());
    } finally {
      if (!goesOn) {
        end();
      }
    }
  }

  private void end() {
    over = true;
    whenOver.accept(response);
    ForeignCode.giveBackInterrupt();
  }

  /** The whole answer, once the last event has been read; null before. */
  public @Nullable ChatResponse response() {
    reading.lock();
    try {
      return response;
    } finally {
      reading.unlock();
    }
  }

  /**
   * Ends the call and closes its connection; without effect once it has ended. A thread that is
   * reading gets an {@link LlmException} at once.
   */
  @Override
  public void close() {
    cancellation.cancel("the stream was closed");
  }

  /** Whoever is not kept out by a reader does it; the reader looks again when it is done. */
  private void giveUpIfCancelled() {
    String why = cancellation.request();
    // Its own reader may be the one who closes it, from within a listener: then it is not done yet.
    if (why != null && !reading.isHeldByCurrentThread() && reading.tryLock()) {
      try {
        if (!over) {
          giveUp(why);
        }
      } finally {
        reading.unlock();
      }
    }
  }

  private void giveUp(String why) {
    try {
      failure =
          call == null
              ? new LlmException("the call was stopped: " + why, List.of())
              : call.giveUp(why);
    } finally {
      end();
    }
  }
}
