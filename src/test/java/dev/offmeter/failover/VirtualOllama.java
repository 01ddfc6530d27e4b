// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Vitals;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * A simulated Ollama with one place and one model. It works through its queue in silence. The first
 * request that needs the model loads it; if that one is given up, so is the load. A model that has
 * not been used for a while is dropped, or pushed out by another. While it is being loaded it is
 * listed already, or is not, by its nature.
 */
final class VirtualOllama {
  private static final Duration PIECES = Duration.ofSeconds(2);

  private final VirtualTime time;
  private final Nature nature;
  private final Queue<VirtualLine> queue = new ArrayDeque<>();
  private @Nullable VirtualLine current;
  private boolean loaded;
  private boolean loading;
  private boolean pushedOut;
  private long loadBegan;
  private long used;
  private int turn;
  private Wedge wedge = Wedge.NONE;

  /**
   * What it is like.
   *
   * @param load how long it takes to load the model
   * @param listedAfter when, from the beginning of that, it is listed
   * @param keepAlive how long a model that is not used is kept
   * @param works how long its answers take
   */
  record Nature(Duration load, Duration listedAfter, Duration keepAlive, Works works) {}

  /** How long answers take. */
  interface Works {
    /** The time to the first token and to the last, of a call. */
    Service of(int call);
  }

  /** How long an answer takes. */
  record Service(Duration first, Duration total) {}

  /** What becomes of calls while the engine is wedged; whatever else is asked is answered. */
  enum Wedge {
    NONE,
    SILENT,
    ERRORS
  }

  VirtualOllama(VirtualTime time, Nature nature) {
    this.time = time;
    this.nature = nature;
  }

  Nature nature() {
    return nature;
  }

  /** All is forgotten, as when the process is started again. */
  void restart() {
    abort();
    loaded = false;
    wedge = Wedge.NONE;
  }

  /**
   * A model that is to be kept for ever is loaded at the start, by a request of the machine's own.
   */
  void starts(VirtualLine load) {
    if (!isLoaded() && nature.keepAlive().equals(Assumptions.FOR_EVER)) {
      queues(load);
    }
  }

  /** Somebody asks for another model, and there is room for one: it goes as soon as it is idle. */
  void pushOut() {
    pushedOut = true;
    if (current == null) {
      next();
    }
  }

  /** From now on calls are treated so, those under way included. */
  void wedges(Wedge how) {
    List<VirtualLine> working = List.copyOf(queue);
    VirtualLine first = current;
    abort();
    wedge = how;
    loaded = true;
    if (first != null) {
      takes(first);
    }
    working.forEach(this::takes);
  }

  /** What is under way is not worked on any more. */
  void abort() {
    turn++;
    loading = false;
    current = null;
    queue.clear();
  }

  void takes(VirtualLine line) {
    if (line.asked() == null) {
      calls(line);
    } else {
      switch (line.asked()) {
        case ALIVE -> line.found(Vitals.READY);
        case RESIDENT -> line.found(isListed() ? Vitals.READY : cold());
        case LOAD -> loads(line);
      }
    }
  }

  private void calls(VirtualLine line) {
    switch (wedge) {
      case SILENT -> {}
      case ERRORS ->
          line.fails(Failure.of(FailureKind.SERVER_ERROR, "the runner is gone").withStatus(500));
      case NONE -> queues(line);
    }
  }

  private void loads(VirtualLine line) {
    if (isLoaded()) {
      used = time.nanos();
      line.found(Vitals.READY);
    } else {
      queues(line);
    }
  }

  private boolean isLoaded() {
    boolean busy = current != null && !loading;
    boolean kept = busy || wedge != Wedge.NONE;
    return loaded && (kept || time.nanos() - used < nature.keepAlive().toNanos());
  }

  private boolean isListed() {
    return isLoaded() || (loading && time.nanos() - loadBegan >= nature.listedAfter().toNanos());
  }

  private static Vitals cold() {
    Failure failure = Failure.of(FailureKind.MODEL_COLD, "the model is not in memory");
    return Vitals.of(Vitals.Sign.COLD, failure);
  }

  private void queues(VirtualLine line) {
    queue.add(line);
    if (current == null) {
      next();
    }
  }

  private void next() {
    turn++;
    loaded &= !pushedOut;
    pushedOut = false;
    boolean resident = isLoaded();
    current = queue.poll();
    if (current == null) {
      return;
    }
    int mine = turn;
    if (resident) {
      serve(current);
    } else {
      loaded = false;
      loading = true;
      loadBegan = time.nanos();
      later(nature.load(), mine, this::loaded);
    }
  }

  private void later(Duration delay, int mine, Runnable then) {
    time.in(
        delay,
        () -> {
          if (mine == turn) {
            then.run();
          }
        });
  }

  private void loaded() {
    loading = false;
    loaded = true;
    used = time.nanos();
    queue.removeIf(line -> line.asked() != null && isTold(line));
    VirtualLine owner = current;
    if (owner != null) {
      serve(owner);
    }
  }

  private static boolean isTold(VirtualLine line) {
    line.found(Vitals.READY);
    return true;
  }

  private void serve(VirtualLine line) {
    if (line.asked() != null) {
      line.found(Vitals.READY);
      next();
      return;
    }
    Service service = nature.works().of(line.call());
    int mine = turn;
    later(service.first(), mine, () -> piece(line, service.total().minus(service.first())));
  }

  /** Text comes all the time. What is told of it is enough for clocks of 5 s and more. */
  private void piece(VirtualLine line, Duration left) {
    line.piece();
    boolean ends = left.compareTo(PIECES) <= 0;
    later(
        ends ? left : PIECES, turn, ends ? () -> end(line) : () -> piece(line, left.minus(PIECES)));
  }

  private void end(VirtualLine line) {
    used = time.nanos();
    line.answered();
    next();
  }

  /** Whoever asked has gone. */
  void dropped(VirtualLine line) {
    queue.remove(line);
    if (line.equals(current)) {
      loading = false;
      used = time.nanos();
      current = null;
      next();
    }
  }
}
