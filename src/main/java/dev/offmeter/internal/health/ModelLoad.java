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
 * One load of the model, and the requests for it. The reply to one may be lost without a word, or
 * be a proxy's. A further request over a new connection costs a server that is loading nothing,
 * which has it wait beside the first; the first is never given up for it, because the load may be
 * its own. So the first reply that settles the load ends it. Safe for use by many threads.
 */
final class ModelLoad {
  /** A model that is listed for so long is there, or takes long. */
  private static final long LISTED = Duration.ofSeconds(20).toNanos();

  private static final long LISTED_AT_MOST = Duration.ofMinutes(1).toNanos();

  /** A server that only lives shows less. */
  private static final long ALIVE = Duration.ofMinutes(1).toNanos();

  private static final long ALIVE_AT_MOST = Duration.ofMinutes(3).toNanos();

  /** Those that cost a token each. */
  private static final int MAX_TOKENS = 3;

  /** No word of the server's about its model. */
  private static final Set<FailureKind> ON_THE_WAY =
      EnumSet.of(
          FailureKind.ORIGIN_UNREACHABLE,
          FailureKind.CONNECTION_LOST,
          FailureKind.TRUNCATED,
          FailureKind.UNEXPECTED_RESPONSE);

  private final CompletableFuture<ProbeResult> completion = new CompletableFuture<>();
  private final long startedAt;
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

  /** Completed when it is over, and what follows from it done. */
  CompletableFuture<ProbeResult> completion() {
    return completion;
  }

  /** When it was begun. */
  long startedAt() {
    return startedAt;
  }

  /** A request for it is about to be sent. */
  synchronized void onRequest(long now) {
    requests++;
    awaited++;
    repeatPending = false;
    lastRequestedAt = now;
  }

  /** Returns whether no reply to the first request for it has come, and no other was sent. */
  synchronized boolean isRequestedOnce() {
    return requests == 1 && !ended;
  }

  /**
   * A health check has found the server alive.
   *
   * @param there whether it has the model in memory, as far as it says
   * @param usual how long a load takes, 0 if that is unknown
   * @param costs whether a request costs a token
   * @return whether a further request is worth it
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

  /** What a reply to one of its requests means. */
  enum ReplyEffect {
    /** Nothing: others are awaited, or it is over. */
    IGNORED,
    /** Something on the way has spoiled it, so that it is asked for once more. */
    SPOILED,
    /** The load is over. */
    SETTLES
  }

  /** A reply has come, or the lack of one is certain. */
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

  /** Returns whether no request is under way, but another is to come soon. */
  synchronized boolean isToBeRepeated() {
    return repeatPending && !ended;
  }

  /**
   * It is over.
   *
   * @return whether that is news
   */
  synchronized boolean tryEnd() {
    boolean news = !ended;
    ended = true;
    return news;
  }

  /** Returns whether the reply to any request is still awaited. */
  synchronized boolean isAwaited() {
    return awaited > 0;
  }

  /**
   * Returns how long it took, as far as that is known.
   *
   * @param atOnce how long the reply takes at most of a server that has the model in memory
   */
  synchronized long duration(long atOnce, long now) {
    boolean wasThere = requests > 1 && now - lastRequestedAt <= atOnce;
    return wasThere ? (listed ? listedAt : lastRequestedAt) - startedAt : now - startedAt;
  }
}
