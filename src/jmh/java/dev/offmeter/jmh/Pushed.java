// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;

/** An answer from a client that calls back, on a thread that is not the reader's. */
final class Pushed implements Streaming.Reading {
  private final Consumer<Pieces> call;
  private Pieces handler;

  Pushed(Consumer<Pieces> call) {
    this.call = call;
    this.handler = begin();
  }

  private Pieces begin() {
    Pieces begun = new Pieces();
    call.accept(begun);
    return begun;
  }

  /** Asks again after a failure, once, for the reason that {@link Client} gives. */
  @Override
  public String first() throws Exception {
    try {
      return handler.first.get();
    } catch (ExecutionException e) {
      handler = begin();
      return handler.first.get();
    }
  }

  @Override
  public int rest() throws Exception {
    return handler.whole.get();
  }

  /** The receiver of the pieces. */
  static final class Pieces {
    private final CompletableFuture<String> first = new CompletableFuture<>();
    private final CompletableFuture<Integer> whole = new CompletableFuture<>();
    private int length;

    void add(String text) {
      if (length == 0 && !text.isEmpty()) {
        first.complete(text);
      }
      length += text.length();
    }

    void complete() {
      whole.complete(length);
    }

    void fail(Throwable error) {
      first.completeExceptionally(error);
      whole.completeExceptionally(error);
    }
  }
}
