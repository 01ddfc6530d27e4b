// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Threads for what cannot run on the caller's: asynchronous calls, in-process functions, DNS.
 * Virtual ones from JDK 21 on; before that, pooled daemons that end after ten idle seconds.
 */
final class Workers {
  private Workers() {}

  static ExecutorService create() {
    if (Runtime.version().feature() < 21) {
      return pooled();
    }
    try {
      MethodHandle virtual =
          MethodHandles.publicLookup()
              .findStatic(
                  Executors.class,
                  "newVirtualThreadPerTaskExecutor",
                  MethodType.methodType(ExecutorService.class));
      return (ExecutorService) virtual.invokeExact();
    } catch (Throwable e) {
      throw new LinkageError("JDK 21 and later have virtual threads", e);
    }
  }

  private static ExecutorService pooled() {
    return new ThreadPoolExecutor(
        0,
        Integer.MAX_VALUE,
        10,
        TimeUnit.SECONDS,
        new SynchronousQueue<>(),
        task -> {
          Thread thread = new Thread(task, "offmeter-worker");
          thread.setDaemon(true);
          return thread;
        });
  }
}
