// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.security.AccessController;
import java.security.PrivilegedAction;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Creates threads that carry nothing of the code that happened to start them: no inheritable
 * thread-local (a tenant, a security context), no context class loader but the library's, no thread
 * group, priority or protection domain. A pooled thread would keep them for the calls of others.
 */
public final class DetachedThreads {
  private static final ThreadGroup TOPMOST = topmost();

  private DetachedThreads() {}

  /** Returns a factory of daemon platform threads with this name. */
  @SuppressWarnings("ThreadPriorityCheck") // A caller's own, low or high, is not passed on.
  public static ThreadFactory daemons(String name) {
    return task -> {
      Thread thread = withoutDomains(() -> new Thread(TOPMOST, task, name, 0, false));
      thread.setDaemon(true);
      thread.setPriority(Thread.NORM_PRIORITY);
      return detached(thread);
    };
  }

  private static ThreadGroup topmost() {
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    while (group.getParent() != null) {
      group = group.getParent();
    }
    return group;
  }

  /**
   * Creates a thread without protection domains. Before JDK 24 a thread keeps those of its creator,
   * and with them their class loaders.
   */
  @SuppressWarnings("removal")
  private static Thread withoutDomains(PrivilegedAction<Thread> making) {
    return Runtime.version().feature() < 24 ? AccessController.doPrivileged(making) : making.run();
  }

  /**
   * Returns an executor for work that blocks: a virtual thread for each task from JDK 21 on, before
   * that pooled daemons that end after ten idle seconds.
   */
  public static ExecutorService executor(String name) {
    return Runtime.version().feature() < 21 ? pooled(name) : virtual();
  }

  private static ExecutorService pooled(String name) {
    return new ThreadPoolExecutor(
        0, Integer.MAX_VALUE, 10, TimeUnit.SECONDS, new SynchronousQueue<>(), daemons(name));
  }

  private static ExecutorService virtual() {
    try {
      Class<?> builder = Class.forName("java.lang.Thread$Builder");
      Class<?> ofVirtual = Class.forName("java.lang.Thread$Builder$OfVirtual");
      MethodHandles.Lookup lookup = MethodHandles.publicLookup();
      Object empty =
          lookup.findStatic(Thread.class, "ofVirtual", MethodType.methodType(ofVirtual)).invoke();
      Object heirless =
          lookup
              .findVirtual(
                  ofVirtual,
                  "inheritInheritableThreadLocals",
                  MethodType.methodType(ofVirtual, boolean.class))
              .invoke(empty, false);
      ThreadFactory factory =
          (ThreadFactory)
              lookup
                  .findVirtual(builder, "factory", MethodType.methodType(ThreadFactory.class))
                  .invoke(heirless);
      MethodHandle perTask =
          lookup.findStatic(
              Executors.class,
              "newThreadPerTaskExecutor",
              MethodType.methodType(ExecutorService.class, ThreadFactory.class));
      ThreadFactory detached = task -> detached(factory.newThread(task));
      return (ExecutorService) perTask.invoke(detached);
    } catch (Throwable e) {
      throw new LinkageError("JDK 21 and later have virtual threads", e);
    }
  }

  private static Thread detached(Thread thread) {
    thread.setContextClassLoader(DetachedThreads.class.getClassLoader());
    return thread;
  }
}
