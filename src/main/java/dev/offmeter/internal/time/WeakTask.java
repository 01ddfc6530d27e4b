// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.lang.ref.WeakReference;
import java.util.function.Consumer;

/**
 * A scheduled task that does not keep its owner alive, so that a client can be collected that was
 * dropped without being closed.
 */
public record WeakTask<T>(WeakReference<T> owner, Purpose purpose, Consumer<T> action)
    implements ScheduledTask {

  /** Returns a task that runs {@code action}, which must not refer to {@code owner} itself. */
  public static <T> WeakTask<T> of(T owner, Purpose purpose, Consumer<T> action) {
    return new WeakTask<>(new WeakReference<>(owner), purpose, action);
  }

  @Override
  public void run() {
    T due = owner.get();
    if (due != null) {
      action.accept(due);
    }
  }
}
