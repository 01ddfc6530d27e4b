// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.time.WeakTask;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Asks a self-hosted server, in the background, what its model can do and how long its context is.
 * It is asked once, a moment after the first answer or at a warm-up, and again after the endpoint
 * was DOWN, because a server that was gone may come back as another one; what it reported is
 * forgotten then. A server can change without having been seen DOWN: if a request skips the
 * endpoint for what was reported some while ago, it is asked again. What is declared wins. Safe for
 * use by many threads; never blocks.
 *
 * <p>The context of a loaded model is read only after this client has used the model: another
 * client may have Ollama load it with another {@code num_ctx}, which the next call would undo.
 */
public final class ModelInquiry {
  /** How long a report skips requests without being read again. */
  private static final long TRUSTED_FOR = Duration.ofMinutes(10).toNanos();

  /** A program that ends after one call sends nothing else, and no first call has company. */
  private static final long DELAY = Duration.ofSeconds(1).toNanos();

  private final ModelTraits declared;
  private final ProbeRunner probes;
  private final TimeSource time;

  /** Whether the server is to be asked at the next occasion. */
  private final AtomicBoolean due;

  // Written under the lock of this; read by any thread.
  private volatile ModelTraits known;
  private volatile int episode;

  /** Written by the thread that asks; a write lost in a race costs one more request. */
  private volatile long askedAt;

  // Written by the thread of the call whose answer makes it due; read by the one that closes.
  private volatile @Nullable Future<?> scheduled;
  private volatile boolean closed;

  ModelInquiry(ModelTraits declared, ProbeRunner probes, TimeSource time) {
    this.declared = declared;
    this.probes = probes;
    this.time = time;
    this.due = new AtomicBoolean(probes.isSupported(Probe.Kind.MODEL_INFO));
    this.known = declared;
    this.askedAt = time.nanos();
  }

  /** Returns what is declared and reported about the model. */
  public ModelTraits known() {
    return known;
  }

  /** Called when the model has answered; asks the server soon, if that is due. */
  public void onAnswer() {
    // Read before it is written: every call comes here.
    if (due.get() && due.compareAndSet(true, false) && !closed) {
      scheduled =
          time.schedule(
              DELAY,
              WeakTask.of(this, ScheduledTask.Purpose.HEALTH_CHECK, ModelInquiry::askInBackground));
    }
  }

  private void askInBackground() {
    CompletableFuture<Void> unused = ask();
  }

  /**
   * Asks the server if that is due.
   *
   * @return completed, never exceptionally, when it has reported, or if there is nothing to ask
   */
  CompletableFuture<Void> askIfDue() {
    return due.compareAndSet(true, false) ? ask() : CompletableFuture.completedFuture(null);
  }

  private CompletableFuture<Void> ask() {
    int now = episode;
    return ask(Probe.Kind.MODEL_INFO)
        .thenCompose(
            shown ->
                shown.equals(ModelTraits.UNKNOWN)
                    ? CompletableFuture.completedFuture(shown)
                    : ask(Probe.Kind.MODEL_LOADED).thenApply(loaded -> loaded.orElse(shown)))
        .thenAccept(reported -> onReport(now, reported));
  }

  private CompletableFuture<ModelTraits> ask(Probe.Kind kind) {
    askedAt = time.nanos();
    CompletableFuture<ProbeResult> reply = new CompletableFuture<>();
    Throwable unable =
        UserCode.run(() -> probes.probe(kind, HealthChecker.TIMEOUT, reply::complete));
    if (unable != null) {
      reply.complete(ProbeRunner.NOT_PROBED);
    }
    return reply.thenApply(ProbeResult::traits);
  }

  private synchronized void onReport(int then, ModelTraits reported) {
    if (then == episode && !reported.equals(ModelTraits.UNKNOWN)) {
      known = declared.orElse(reported);
    }
  }

  void close() {
    closed = true;
    TimeSource.cancel(scheduled);
  }

  /** Called when the endpoint goes DOWN. */
  synchronized void onDown() {
    episode++;
    known = declared;
    due.set(probes.isSupported(Probe.Kind.MODEL_INFO));
  }

  /**
   * Called when a request skips the endpoint for what is known. Reads an old report again, without
   * the context of the loaded model, which follows after the next answer.
   */
  public void onSkipped() {
    if (!known.equals(declared) && time.nanos() - askedAt >= TRUSTED_FOR) {
      int now = episode;
      CompletableFuture<Void> unused =
          ask(Probe.Kind.MODEL_INFO)
              .thenAccept(
                  reported -> {
                    onReport(now, reported);
                    due.set(true);
                  });
    }
  }
}
