// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The work of one endpoint (a supplier of a credential, a DNS lookup) that was given up and has not
 * returned. While there is any, no more of it is begun: each would cost a thread that nothing can
 * end, and would hang like the one before. Safe for use by many threads.
 */
final class LeftBehind {
  private final Set<Work<?>> running = ConcurrentHashMap.newKeySet();

  /** Whether some work was given up and has not returned. */
  boolean isAny() {
    return !running.isEmpty();
  }

  /** Work that tells when it has returned. */
  final class Work<T> implements Callable<T> {
    private final Callable<T> work;
    private final AtomicBoolean begun = new AtomicBoolean();
    private volatile boolean returned;

    Work(Callable<T> work) {
      this.work = work;
    }

    @Override
    public T call() throws Exception {
      if (!begin()) {
        throw new CancellationException("begun elsewhere");
      }
      try {
        return work.call();
      } finally {
        returned = true;
        running.remove(this);
      }
    }

    /** Whether it is for the caller to run it; false once somebody else does. */
    boolean begin() {
      return begun.compareAndSet(false, true);
    }

    /** Nobody waits for it any more. */
    void onGivenUp() {
      if (begun.get()) {
        running.add(this);
        if (returned) {
          running.remove(this);
        }
      }
    }
  }
}
