// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * Tracks one load of the model and the requests for it. A reply may be lost silently, or be a
 * proxy's. A further request over a new connection costs a server that is loading nothing, because
 * it waits beside the first; the first is never cancelled for it, because the load may be its own
 * and would be aborted. The first reply that settles the load ends it. Safe for use by many
 * threads.
 */
final class ModelLoad {
  /**
   * The least wait for a load's reply once its model is listed: by then the reply is probably lost.
   */
  private static final long LISTED = Duration.ofSeconds(20).toNanos();

  private static final long LISTED_AT_MOST = Duration.ofMinutes(1).toNanos();

  /** The longer time for a server that shows only that it is alive. */
  private static final long ALIVE = Duration.ofMinutes(1).toNanos();

  private static final long ALIVE_AT_MOST = Duration.ofMinutes(3).toNanos();

  /** The most requests that cost a token each. */
  private static final int MAX_TOKENS = 3;

  /**
   * Failures that say nothing about the model, because a proxy or the network may be their cause.
   */
  private static final Set<FailureKind> ON_THE_WAY =
      EnumSet.of(
          FailureKind.ORIGIN_UNREACHABLE,
          FailureKind.CONNECTION_LOST,
          FailureKind.TRUNCATED,
          FailureKind.UNEXPECTED_RESPONSE);

  private final CompletableFuture<ProbeResult> completion = new CompletableFuture<>();
  private final long startedAt;

  // Guarded by this.
  private long lastRequestedAt;
  private boolean listed;
  private long listedAt;
  private int requests;
  private int awaited;
  private boolean repeated;
  private boolean repeatPending;
  private boolean ended;

  ModelLoad(long now) {
    this.startedAt = now;
    this.lastRequestedAt = now;
  }

  /** Returns a future that completes when the load is over and has been acted on. */
  CompletableFuture<ProbeResult> completion() {
    return completion;
  }

  /** Returns when the load began. */
  long startedAt() {
    return startedAt;
  }

  /** Records that a request is about to be sent. */
  synchronized void onRequest(long now) {
    requests++;
    awaited++;
    repeatPending = false;
    lastRequestedAt = now;
  }

  /** Returns whether one request was sent, and its reply is still awaited. */
  synchronized boolean isRequestedOnce() {
    return requests == 1 && !ended;
  }

  /**
   * Records that a health check has found the server alive.
   *
   * @param there whether the server lists the model as loaded
   * @param usual the usual time of a load, 0 if unknown
   * @param costs whether a request costs a token
   * @return whether a further request is worth sending
   */
  synchronized boolean onServerAlive(boolean there, long usual, boolean costs, long now) {
    if (there && !listed) {
      listed = true;
      listedAt = now;
    }
    if (ended || repeatPending || (costs && requests >= MAX_TOKENS)) {
      return false;
    }
    long longer = usual + usual / 2;
    long wait =
        there
            ? Math.min(LISTED_AT_MOST, Math.max(LISTED, longer))
            : Math.min(ALIVE_AT_MOST, Math.max(ALIVE, longer));
    long from = there && requests == 1 ? listedAt : lastRequestedAt;
    return now - from >= wait << (requests - 1);
  }

  /** The effect of a reply. */
  enum ReplyEffect {
    /** None: other replies are awaited, or the load is over. */
    IGNORED,
    /** Something between has spoiled it, so the load is requested again. */
    SPOILED,
    /** The load is over. */
    SETTLES
  }

  /** Records a reply, or that none will come. */
  synchronized ReplyEffect onReply(ProbeResult probeResult, boolean settled) {
    awaited--;
    AttemptException failure = probeResult.failure();
    if (ended || (awaited > 0 && !settled)) {
      return ReplyEffect.IGNORED;
    }
    if (!settled && !repeated && failure != null && ON_THE_WAY.contains(failure.kind())) {
      repeated = true;
      repeatPending = true;
      return ReplyEffect.SPOILED;
    }
    return ReplyEffect.SETTLES;
  }

  /** Returns whether no request is under way, but another is about to be sent. */
  synchronized boolean isToBeRepeated() {
    return repeatPending && !ended;
  }

  /**
   * Ends the load.
   *
   * @return false if it had ended before
   */
  synchronized boolean tryEnd() {
    boolean news = !ended;
    ended = true;
    return news;
  }

  /** Returns whether a reply to any request is awaited. */
  synchronized boolean isAwaited() {
    return awaited > 0;
  }

  /**
   * Returns how long the load took, as far as that is known.
   *
   * @param atOnce the longest time of a reply when the model is in memory
   */
  synchronized long duration(long atOnce, long now) {
    boolean wasThere = requests > 1 && now - lastRequestedAt <= atOnce;
    return wasThere ? (listed ? listedAt : lastRequestedAt) - startedAt : now - startedAt;
  }
}
