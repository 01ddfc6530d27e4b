// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal;

import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs code that is not the library's: the application's functions, suppliers, checks and
 * listeners, the interceptors and the event listener of its HTTP client, its log. Such code may
 * throw anything, errors and what no signature allows among them, at any place. All of it is called
 * through here, and nothing that it throws leaves here but as a result.
 */
public final class UserCode {
  /** How it is told that a process can have no further thread. */
  public static final String NO_THREAD = "no further thread could be had in this process";

  private static final int DEEPEST = 64;

  private static final ThreadLocal<@Nullable Boolean> WITHHELD = new ThreadLocal<>();

  private UserCode() {}

  /** Code without a result. */
  @FunctionalInterface
  public interface Action {
    /** Runs it. */
    void run() throws Exception;
  }

  /** What foreign code threw instead of its result. */
  public static final class UserCodeException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient @Nullable Throwable thrown;

    private UserCodeException(Throwable thrown) {
      super(null, null, false, false);
      this.thrown = thrown;
    }

    /** The class of what was thrown. */
    public String className() {
      return thrown == null ? "nothing" : thrown.getClass().getName();
    }

    /** What was thrown, by its class and place; its message may quote a prompt. */
    public String description() {
      return describe(thrown);
    }
  }

  /**
   * Runs what nobody needs the result of, such as a line for the log.
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

  /** Runs what may fail without harm; {@link #run} without a result. */
  public static void ignore(Action code) {
    Throwable unused = run(code);
  }

  /**
   * Tells what merely listens. An interrupt that it throws takes nothing from the call: it is
   * withheld until {@link #giveBackInterrupt()}. The flag of the thread counts as ever, since
   * somebody else may have set it meanwhile to stop the call.
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
   * Tells what listens to OkHttp, in the midst of its work: an interrupt would close the socket of
   * the call. One that it throws, or sets the flag for, is withheld.
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

  /** The call is over: whoever was meant by an interrupt that was withheld hears of it. */
  public static void giveBackInterrupt() {
    if (WITHHELD.get() != null) {
      WITHHELD.remove();
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Runs a call from its beginning to its end: an interrupt that was withheld in it is given back,
   * and none that an earlier one on this thread has left.
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
   * Runs what has a result.
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

  /** Whoever throws this has cleared the flag, and the caller's thread was meant. */
  public static void keepInterrupt(Throwable thrown) {
    if (thrown instanceof InterruptedException) {
      Thread.currentThread().interrupt();
    }
  }

  /** The class of what was thrown, and where; its message may quote a prompt. */
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

  /** The message of what was thrown; null if it has none or cannot tell. */
  public static @Nullable String message(Throwable thrown) {
    try {
      return thrown.getMessage();
    } catch (Throwable e) {
      return null;
    }
  }

  /** The cause of what was thrown; null if it has none or cannot tell. */
  public static @Nullable Throwable cause(Throwable thrown) {
    try {
      return thrown.getCause();
    } catch (Throwable e) {
      return null;
    }
  }

  /** Whether it says that no further thread can be had, in the words of HotSpot. */
  public static boolean isForThreads(OutOfMemoryError thrown) {
    return String.valueOf(message(thrown)).contains("native thread");
  }

  /** What is at the bottom of it, or as deep as one looks: causes may go round in a circle. */
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
