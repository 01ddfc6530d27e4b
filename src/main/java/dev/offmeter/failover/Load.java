// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
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
final class Load {
  /** A model that is listed for so long is there, or takes long. */
  private static final long LISTED = Duration.ofSeconds(20).toNanos();

  private static final long LISTED_AT_MOST = Duration.ofMinutes(1).toNanos();

  /** A server that only lives shows less. */
  private static final long ALIVE = Duration.ofMinutes(1).toNanos();

  private static final long ALIVE_AT_MOST = Duration.ofMinutes(3).toNanos();

  /** Those that cost a token each. */
  private static final int MOST_TOKENS = 3;

  /** No word of the server's about its model. */
  private static final Set<FailureKind> OF_THE_WAY =
      EnumSet.of(
          FailureKind.ORIGIN_UNREACHABLE,
          FailureKind.CONNECTION_LOST,
          FailureKind.TRUNCATED,
          FailureKind.UNEXPECTED_RESPONSE);

  private final CompletableFuture<Vitals> over = new CompletableFuture<>();
  private final long since;
  private long lastAsked;
  private boolean listed;
  private long listedAt;
  private int asked;
  private int awaited;
  private boolean repeated;
  private boolean waitsToRepeat;
  private boolean ended;

  Load(long now) {
    this.since = now;
    this.lastAsked = now;
  }

  /** Completed when it is over, and what follows from it done. */
  CompletableFuture<Vitals> over() {
    return over;
  }

  /** When it was begun. */
  long since() {
    return since;
  }

  /** A request for it is about to be sent. */
  synchronized void onAsk(long now) {
    asked++;
    awaited++;
    waitsToRepeat = false;
    lastAsked = now;
  }

  /** Whether no reply to the first request for it has come, and no other was sent. */
  synchronized boolean isAskedOnce() {
    return asked == 1 && !ended;
  }

  /**
   * A health check has found the server alive.
   *
   * @param there whether it has the model in memory, as far as it says
   * @param usual how long a load takes, 0 if that is unknown
   * @param costs whether a request costs a token
   * @return whether a further request is worth it
   */
  synchronized boolean isDueAgain(boolean there, long usual, boolean costs, long now) {
    if (there && !listed) {
      listed = true;
      listedAt = now;
    }
    if (ended || waitsToRepeat || (costs && asked >= MOST_TOKENS)) {
      return false;
    }
    long longer = usual + usual / 2;
    long wait =
        there
            ? Math.min(LISTED_AT_MOST, Math.max(LISTED, longer))
            : Math.min(ALIVE_AT_MOST, Math.max(ALIVE, longer));
    long from = there && asked == 1 ? listedAt : lastAsked;
    return now - from >= wait << (asked - 1);
  }

  /** What a reply to one of its requests means. */
  enum Reply {
    /** Nothing: others are awaited, or it is over. */
    NOTHING,
    /** Something on the way has spoiled it, so that it is asked for once more. */
    SPOILED,
    /** The load is over. */
    SETTLES
  }

  /** A reply has come, or the lack of one is certain. */
  synchronized Reply onReply(Vitals vitals, boolean settled) {
    awaited--;
    Failure failure = vitals.failure();
    if (ended || (awaited > 0 && !settled)) {
      return Reply.NOTHING;
    }
    if (!settled && !repeated && failure != null && OF_THE_WAY.contains(failure.kind())) {
      repeated = true;
      waitsToRepeat = true;
      return Reply.SPOILED;
    }
    return Reply.SETTLES;
  }

  /** Whether no request is under way, but another is to come soon. */
  synchronized boolean isToBeRepeated() {
    return waitsToRepeat && !ended;
  }

  /**
   * It is over.
   *
   * @return whether that is news
   */
  synchronized boolean end() {
    boolean news = !ended;
    ended = true;
    return news;
  }

  /** Whether the reply to any request is still awaited. */
  synchronized boolean isAwaited() {
    return awaited > 0;
  }

  /**
   * How long it took, as far as that is known.
   *
   * @param atOnce how long the reply takes at most of a server that has the model in memory
   */
  synchronized long took(long atOnce, long now) {
    boolean wasThere = asked > 1 && now - lastAsked <= atOnce;
    return wasThere ? (listed ? listedAt : lastAsked) - since : now - since;
  }
}
