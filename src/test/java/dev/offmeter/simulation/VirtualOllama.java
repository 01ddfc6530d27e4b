// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.ProbeResult;
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
  private final Settings nature;
  private final Queue<VirtualRequest> queue = new ArrayDeque<>();
  private @Nullable VirtualRequest current;
  private boolean loaded;
  private boolean loading;
  private boolean pushedOut;
  private long loadBegan;
  private long used;
  private int turn;
  private Wedge wedgeDetector = Wedge.NONE;

  /**
   * The times that this Ollama takes.
   *
   * @param load how long it takes to load the model
   * @param listedAfter when, from the beginning of that, it is listed
   * @param keepAlive how long a model that is not used is kept
   * @param works how long its answers take
   */
  record Settings(Duration load, Duration listedAfter, Duration keepAlive, ServiceTimes works) {}

  /** The times of answers. */
  interface ServiceTimes {
    /** Returns the times of the call with this number. */
    Service of(int call);
  }

  /** The time to the first token and to the last. */
  record Service(Duration first, Duration total) {}

  /** The reply to calls while the engine is wedged; all other requests are answered. */
  enum Wedge {
    NONE,
    SILENT,
    ERRORS
  }

  VirtualOllama(VirtualTime time, Settings nature) {
    this.time = time;
    this.nature = nature;
  }

  Settings nature() {
    return nature;
  }

  /** All is forgotten, as when the process is started again. */
  void restart() {
    abort();
    loaded = false;
    wedgeDetector = Wedge.NONE;
  }

  /**
   * A model that is to be kept for ever is loaded at the start, by a request of the machine's own.
   */
  void startNext(VirtualRequest load) {
    if (!isLoaded() && nature.keepAlive().equals(Assumptions.FOR_EVER)) {
      queues(load);
    }
  }

  /** Evicts the model as soon as it is idle: another was asked for, and there is room for one. */
  void evictModel() {
    pushedOut = true;
    if (current == null) {
      next();
    }
  }

  /** Treats calls so from now on, those under way included. */
  void setWedge(Wedge how) {
    List<VirtualRequest> working = List.copyOf(queue);
    VirtualRequest first = current;
    abort();
    wedgeDetector = how;
    loaded = true;
    if (first != null) {
      accept(first);
    }
    working.forEach(this::accept);
  }

  /** Drops all calls and the load in progress. */
  void abort() {
    turn++;
    loading = false;
    current = null;
    queue.clear();
  }

  void accept(VirtualRequest line) {
    if (line.onAccepted() == null) {
      calls(line);
    } else {
      switch (line.onAccepted()) {
        case LIVENESS -> line.onProbeResult(ProbeResult.READY);
        case MODEL_LOADED -> line.onProbeResult(isListed() ? ProbeResult.READY : cold());
        case LOAD_MODEL -> loads(line);
      }
    }
  }

  private void calls(VirtualRequest line) {
    switch (wedgeDetector) {
      case SILENT -> {}
      case ERRORS ->
          line.fail(
              AttemptException.of(FailureKind.SERVER_ERROR, "the runner is gone").withStatus(500));
      case NONE -> queues(line);
    }
  }

  private void loads(VirtualRequest line) {
    if (isLoaded()) {
      used = time.nanos();
      line.onProbeResult(ProbeResult.READY);
    } else {
      queues(line);
    }
  }

  private boolean isLoaded() {
    boolean busy = current != null && !loading;
    boolean kept = busy || wedgeDetector != Wedge.NONE;
    return loaded && (kept || time.nanos() - used < nature.keepAlive().toNanos());
  }

  private boolean isListed() {
    return isLoaded() || (loading && time.nanos() - loadBegan >= nature.listedAfter().toNanos());
  }

  private static ProbeResult cold() {
    AttemptException failure =
        AttemptException.of(FailureKind.MODEL_COLD, "the model is not in memory");
    return ProbeResult.of(ProbeResult.Status.MODEL_NOT_LOADED, failure);
  }

  private void queues(VirtualRequest line) {
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
    queue.removeIf(line -> line.onAccepted() != null && isTold(line));
    VirtualRequest owner = current;
    if (owner != null) {
      serve(owner);
    }
  }

  private static boolean isTold(VirtualRequest line) {
    line.onProbeResult(ProbeResult.READY);
    return true;
  }

  private void serve(VirtualRequest line) {
    if (line.onAccepted() != null) {
      line.onProbeResult(ProbeResult.READY);
      next();
      return;
    }
    Service service = nature.works().of(line.call());
    int mine = turn;
    later(service.first(), mine, () -> piece(line, service.total().minus(service.first())));
  }

  /** Text comes all the time. What is told of it is enough for clocks of 5 s and more. */
  private void piece(VirtualRequest line, Duration left) {
    line.piece();
    boolean ends = left.compareTo(PIECES) <= 0;
    later(
        ends ? left : PIECES, turn, ends ? () -> end(line) : () -> piece(line, left.minus(PIECES)));
  }

  private void end(VirtualRequest line) {
    used = time.nanos();
    line.onAnswer();
    next();
  }

  /** Called when the client of a request has gone. */
  void onDropped(VirtualRequest line) {
    queue.remove(line);
    if (line.equals(current)) {
      loading = false;
      used = time.nanos();
      current = null;
      next();
    }
  }
}
