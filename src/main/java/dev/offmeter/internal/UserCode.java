// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal;

import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs code that is not the library's: the application's functions, suppliers, checks and
 * listeners, the interceptors and the event listener of its HTTP client, its log. Such code may
 * throw anything at any place, errors and undeclared exceptions included. All of it is called
 * through this class, which turns what it throws into a result.
 */
public final class UserCode {
  /** The message when the process can start no further thread. */
  public static final String NO_THREAD = "no further thread could be had in this process";

  private static final int DEEPEST = 64;

  private static final ThreadLocal<@Nullable Boolean> WITHHELD = new ThreadLocal<>();

  private UserCode() {}

  /** Code without a result. */
  @FunctionalInterface
  public interface Action {
    /** Runs the code. */
    void run() throws Exception;
  }

  /** Signals that user code threw instead of returning a result. */
  public static final class UserCodeException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient @Nullable Throwable thrown;

    private UserCodeException(Throwable thrown) {
      super(null, null, false, false);
      this.thrown = thrown;
    }

    /** Returns the class of what was thrown. */
    public String className() {
      return thrown == null ? "nothing" : thrown.getClass().getName();
    }

    /** Returns the class and the place of what was thrown; its message may quote a prompt. */
    public String description() {
      return describe(thrown);
    }
  }

  /**
   * Runs code whose result nobody needs, such as a log line.
   *
   * @return what was thrown; null if nothing was
   */
  public static @Nullable Throwable run(Action code) {
    try {
      code.run();
      return null;
    } catch (Throwable e) {
      keepInterrupt(e);
      return e;
    }
  }

  /** Runs code that may fail without harm; as {@link #run} without a result. */
  public static void ignore(Action code) {
    Throwable unused = run(code);
  }

  /**
   * Notifies a listener. An interrupt that the listener throws is withheld until {@link
   * #giveBackInterrupt()}, so that it does not end the call. An interrupt flag counts as ever,
   * because another thread may have set it meanwhile to stop the call.
   *
   * @return what was thrown; null if nothing was
   */
  public static @Nullable Throwable tell(Action code) {
    try {
      code.run();
      return null;
    } catch (Throwable e) {
      if (e instanceof InterruptedException) {
        WITHHELD.set(true);
      }
      return e;
    }
  }

  /**
   * Notifies a listener in the middle of OkHttp's work, where an interrupt would close the call's
   * socket. One that the listener throws, or sets the flag for, is withheld.
   *
   * @return what was thrown; null if nothing was
   */
  public static @Nullable Throwable tellWithoutInterrupt(Action code) {
    boolean interrupted = Thread.currentThread().isInterrupted();
    Throwable thrown = tell(code);
    boolean now = Thread.interrupted();
    if (interrupted) {
      Thread.currentThread().interrupt();
    } else if (now) {
      WITHHELD.set(true);
    }
    return thrown;
  }

  /** Sets the interrupt flag at the end of a call, if an interrupt was withheld in it. */
  public static void giveBackInterrupt() {
    if (WITHHELD.get() != null) {
      WITHHELD.remove();
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Runs a whole call: an interrupt that was withheld in it is given back at its end, and one left
   * by an earlier call on this thread is not.
   */
  public static <T> T givingBackInterrupt(Supplier<T> call) {
    if (WITHHELD.get() != null) {
      WITHHELD.remove();
    }
    try {
      return call.get();
    } finally {
      giveBackInterrupt();
    }
  }

  /**
   * Runs code that has a result.
   *
   * @throws UserCodeException if it threw something
   */
  public static <T extends @Nullable Object> T call(Callable<T> code) throws UserCodeException {
    try {
      return code.call();
    } catch (Throwable e) {
      keepInterrupt(e);
      throw new UserCodeException(e);
    }
  }

  /**
   * Sets the interrupt flag again if {@code thrown} is an interrupt: throwing it has cleared the
   * flag, and the caller's thread was meant.
   */
  public static void keepInterrupt(Throwable thrown) {
    if (thrown instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
  }

  /** Returns the class and the place of what was thrown; its message may quote a prompt. */
  public static String describe(@Nullable Throwable thrown) {
    if (thrown == null) {
      return "nothing";
    }
    try {
      StackTraceElement[] trace = thrown.getStackTrace();
      String where = trace == null || trace.length == 0 ? "" : " at " + trace[0];
      return thrown.getClass().getName() + where;
    } catch (Throwable e) {
      return thrown.getClass().getName();
    }
  }

  /** Returns the message of what was thrown; null if it has none, or throws when asked. */
  public static @Nullable String message(Throwable thrown) {
    try {
      return thrown.getMessage();
    } catch (Throwable e) {
      return null;
    }
  }

  /** Returns the cause of what was thrown; null if it has none, or throws when asked. */
  public static @Nullable Throwable cause(Throwable thrown) {
    try {
      return thrown.getCause();
    } catch (Throwable e) {
      return null;
    }
  }

  /** Returns whether no further thread can be started, judged by HotSpot's message. */
  public static boolean isForThreads(OutOfMemoryError thrown) {
    return String.valueOf(message(thrown)).contains("native thread");
  }

  /**
   * Returns the root cause, or the deepest one within a bound, because causes may form a circle.
   */
  public static Throwable root(Throwable thrown) {
    Throwable root = thrown;
    for (int depth = 0; depth < DEEPEST; depth++) {
      Throwable cause = cause(root);
      if (cause == null) {
        return root;
      }
      root = cause;
    }
    return root;
  }
}
