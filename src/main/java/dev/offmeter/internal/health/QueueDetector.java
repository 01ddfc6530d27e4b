// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.Locality;
import dev.offmeter.internal.UserCode;
import dev.offmeter.observe.QueueAlert;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds out whether requests wait in a queue inside their server, which shows in nothing but the
 * time to the first token. Each such time is compared with the 95th percentile of those that were
 * learned in like load, that is with as many calls of this client at the endpoint: one, two or
 * three, four to seven, or more. An episode begins when the median of the last ten ratios is above
 * two, and ends when it is at most one: answers begin within the time in which 95 of a hundred did.
 *
 * <p>Nothing is learned during an episode, and a time is learned only ten answers later, so that
 * the wait that is to be noticed does not become the standard. After two hundred answers it is the
 * standard after all: then all is learned anew. Safe for use by many threads.
 */
public final class QueueDetector {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private static final int LEARNED = 200;

  /** The least number of times in like load that others are compared with. */
  static final int MIN_LEARNED = 30;

  private static final int COMPARED = 10;

  private static final double BEGIN = 2;
  private static final double END = 1;

  /** A wait that nobody notices is not worth an alert, by whatever factor it has grown. */
  private static final long LEAST_USUAL = Duration.ofMillis(500).toNanos();

  private static final String SERVER_SETTING = "OLLAMA_NUM_PARALLEL (--parallel of llama-server)";

  private final String endpoint;
  private final String origin;
  private final Locality locality;
  private final Consumer<QueueAlert> listener;

  // Guarded by this.
  private final List<RecentTimes> learned =
      Stream.generate(() -> new RecentTimes(LEARNED)).limit(4).toList();
  private final Deque<Wait> recent = new ArrayDeque<>(COMPARED + 1);
  private @Nullable QueueAlert alert;
  private int duringEpisode;

  private record Wait(long nanos, long usual, int inFlight) {
    double ratio() {
      return (double) nanos / usual;
    }
  }

  /**
   * Creates a detector that has learned nothing.
   *
   * @param listener is told when an episode begins; must not throw
   */
  public QueueDetector(
      String endpoint, String origin, Locality locality, Consumer<QueueAlert> listener) {
    this.endpoint = endpoint;
    this.origin = origin;
    this.locality = locality;
    this.listener = listener;
  }

  /** Returns what the episode began with; empty if there is none now. */
  public synchronized Optional<QueueAlert> current() {
    return Optional.ofNullable(alert);
  }

  /**
   * Records a whole answer.
   *
   * @param waited nanoseconds from dispatch to the first piece
   * @param inFlight calls at the endpoint when it was sent, itself included
   */
  public void onAnswer(long waited, int inFlight) {
    QueueAlert before;
    QueueAlert now;
    synchronized (this) {
      before = alert;
      record(waited, inFlight);
      now = alert;
    }
    if (before == null && now != null) {
      listener.accept(now);
    } else if (before != null && now == null) {
      UserCode.ignore(
          () -> LOG.info("endpoint {} lets requests wait no longer than is usual", endpoint));
    }
  }

  private void record(long waited, int inFlight) {
    if (alert != null && ++duringEpisode >= LEARNED) {
      learned.forEach(RecentTimes::clear);
      endEpisode();
      return;
    }
    RecentTimes inLikeLoad = learned.get(loadClass(inFlight));
    if (inLikeLoad.size() < MIN_LEARNED) {
      learn(waited, inFlight);
      return;
    }
    Wait latest = new Wait(waited, usual(waited, inLikeLoad), inFlight);
    recent.addLast(latest);
    if (recent.size() > COMPARED) {
      Wait oldest = recent.removeFirst();
      learn(oldest.nanos(), oldest.inFlight());
    }
    // No wait but a long one can raise the median.
    if (recent.size() == COMPARED && (alert != null || latest.ratio() > BEGIN)) {
      compare(median());
    }
  }

  private static long usual(long waited, RecentTimes inLikeLoad) {
    // Most waits are this short, and need no sorting of two hundred.
    return waited <= LEAST_USUAL ? LEAST_USUAL : Math.max(LEAST_USUAL, inLikeLoad.quantile(0.95));
  }

  /** Returns 0 for one call, 1 for two or three, 2 for four to seven, 3 for more. */
  private static int loadClass(int inFlight) {
    int doublings = Integer.SIZE - 1 - Integer.numberOfLeadingZeros(Math.max(1, inFlight));
    return Math.min(3, doublings);
  }

  private void learn(long waited, int inFlight) {
    if (alert == null) {
      learned.get(loadClass(inFlight)).add(waited);
    }
  }

  /** Returns the lower of the two in the middle. */
  private Wait median() {
    return recent.stream()
        .sorted(Comparator.comparingDouble(Wait::ratio))
        .skip((COMPARED - 1) / 2)
        .findFirst()
        .orElseThrow();
  }

  private void compare(Wait median) {
    if (alert == null) {
      if (median.ratio() > BEGIN) {
        alert = alert(median);
        duringEpisode = 0;
      }
      return;
    }
    if (median.ratio() <= END) {
      endEpisode();
    }
  }

  private void endEpisode() {
    alert = null;
    // Those among them that had to wait must not be learned.
    recent.clear();
  }

  private QueueAlert alert(Wait median) {
    return new QueueAlert(
        endpoint,
        origin,
        median.inFlight(),
        Duration.ofNanos(median.nanos()),
        Duration.ofNanos(median.usual()),
        advice(median.inFlight()));
  }

  private String advice(int inFlight) {
    if (locality == Locality.MANAGED) {
      return "it is managed by others: set maxConcurrent if your own calls crowd it, or"
          + " firstTokenTimeout so that calls go on sooner";
    }
    return inFlight == 1
        ? "no other call of this client was there: other programs ask its node, prompts have grown,"
            + " or its model is loaded again and again; for other programs, raise "
            + SERVER_SETTING
        : "raise "
            + SERVER_SETTING
            + " on its node, or set maxConcurrent on the endpoint, so that calls beyond it go on at"
            + " once; other programs that ask the node and longer prompts slow it too";
  }
}
