// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Holds which models the server knows, and whether they are in memory. As at Ollama, a model is
 * loaded for the request that first needs it, and the load is aborted when that one is given up.
 */
final class ModelMemory {
  /** Holds what a test has set: the models, how long a load takes, and by which clock. */
  record Setup(Set<String> known, @Nullable Duration load, boolean loaded, LongSupplier nanos) {}

  private final Set<String> known = new ConcurrentSkipListSet<>();
  private @Nullable Duration load;
  private LongSupplier nanos = System::nanoTime;
  private boolean loaded = true;
  private @Nullable Object loader;
  private long begun;
  private int loadsBegun;

  void add(String model) {
    if (!model.isEmpty()) {
      known.add(model);
    }
  }

  Set<String> known() {
    return known;
  }

  synchronized Set<String> loaded() {
    return loaded ? known : Set.of();
  }

  synchronized void time(LongSupplier nanos) {
    this.nanos = nanos;
  }

  synchronized void loadsFor(Duration duration) {
    load = duration;
    loaded = false;
    loader = null;
  }

  synchronized Setup setup() {
    return new Setup(Set.copyOf(known), load, loaded, nanos);
  }

  synchronized void goBackTo(Setup setup) {
    known.retainAll(setup.known());
    load = setup.load();
    loaded = setup.loaded();
    nanos = setup.nanos();
    loader = null;
    loadsBegun = 0;
  }

  synchronized int loadsBegun() {
    return loadsBegun;
  }

  synchronized void unload() {
    loaded = load == null;
  }

  /** Returns whether the model is in memory, and loads it for {@code request} if it is not. */
  synchronized boolean isReadyFor(Object request) {
    Duration time = load;
    if (loaded || time == null) {
      return true;
    }
    if (loader == null) {
      loader = request;
      begun = nanos.getAsLong();
      loadsBegun++;
    }
    if (loader == request && nanos.getAsLong() - begun >= time.toNanos()) {
      loaded = true;
      loader = null;
    }
    return loaded;
  }

  synchronized void giveUp(Object request) {
    loader = loader == request ? null : loader;
  }
}
