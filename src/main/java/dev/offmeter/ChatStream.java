// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.failover.StreamingCall;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * An answer that is read while it arrives.
 *
 * <pre>{@code
 * try (ChatStream stream = llm.stream(request)) {
 *   for (ChatEvent event : stream) {
 *     if (event instanceof ChatEvent.TextDelta delta) {
 *       show(delta.text());
 *     } else if (event instanceof ChatEvent.Restarted restarted) {
 *       removeLast(restarted.discardText());
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Nothing is sent before the first event is asked for. The call runs on the reading thread, no
 * faster than the thread reads: the rest stays in the socket, and the server waits. Always close a
 * stream: one that is left half-read keeps its connection, and the node busy.
 *
 * <p>One thread reads; {@link #close()} may be called by any thread, at any time.
 */
public final class ChatStream implements Iterable<ChatEvent>, AutoCloseable {
  private final StreamingCall call;
  private final StreamRecovery recovery;
  private boolean consumed;

  ChatStream(StreamingCall call, StreamRecovery recovery) {
    this.call = call;
    this.recovery = recovery;
  }

  /**
   * Returns the events, once. The last is {@link ChatEvent.Completed}; if there is no answer,
   * {@code hasNext()} and {@code next()} throw instead.
   *
   * <ul>
   *   <li>{@link AllEndpointsFailedException} if no endpoint answered
   *   <li>{@link LlmException} if the answer broke off and may not start again, if the stream or
   *       the client was closed, or if the reading thread was interrupted (its flag is set)
   * </ul>
   *
   * @throws IllegalStateException if the events are being read already
   */
  @Override
  public Iterator<ChatEvent> iterator() {
    if (consumed) {
      throw new IllegalStateException("a stream must be read once, was read already");
    }
    consumed = true;
    return new Events();
  }

  /**
   * Returns the pieces of text alone, once, with the exceptions of {@link #iterator()}. Two answers
   * must not be joined unnoticed, so the request's {@link StreamRecovery} must be one that never
   * starts again: {@link StreamRecovery#HOLD}, {@link StreamRecovery#hold} or {@link
   * StreamRecovery#FAIL}.
   *
   * @return a sequential stream, whose {@code close()} closes this one
   * @throws IllegalStateException if the recovery is {@link StreamRecovery#RESTART}, or the events
   *     are being read already
   */
  public Stream<String> textStream() {
    if (recovery.canRestart()) {
      throw new IllegalStateException(
          "onBrokenStream must be HOLD or FAIL for textStream(), was "
              + recovery
              + ": see ChatRequest.onBrokenStream");
    }
    int traits = Spliterator.ORDERED | Spliterator.NONNULL;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), traits), false)
        .filter(ChatEvent.TextDelta.class::isInstance)
        .map(event -> ((ChatEvent.TextDelta) event).text())
        .onClose(this::close);
  }

  /**
   * Returns the response that {@link LlmClient#chat(ChatRequest)} would have returned. Reads what
   * has not been read yet, with the exceptions of {@link #iterator()}.
   */
  public ChatResponse response() {
    ChatResponse response = call.response();
    while (response == null) {
      call.next();
      response = call.response();
    }
    return response;
  }

  /**
   * Ends the call and closes its connection, so that the node stops working on it; has no effect
   * once the answer is complete. A thread that is reading gets an {@link LlmException} at once.
   */
  @Override
  public void close() {
    call.close();
  }

  private final class Events implements Iterator<ChatEvent> {
    private @Nullable ChatEvent next;

    @Override
    public boolean hasNext() {
      if (next == null) {
        next = call.next();
      }
      return next != null;
    }

    @Override
    public ChatEvent next() {
      if (!hasNext()) {
        throw new NoSuchElementException("the stream has ended");
      }
      ChatEvent event = next;
      next = null;
      return Objects.requireNonNull(event);
    }
  }
}
