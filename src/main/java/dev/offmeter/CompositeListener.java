// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.internal.UserCode;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.QueueAlert;
import dev.offmeter.observe.Runaway;
import dev.offmeter.observe.Slf4jListener;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notifies the log and all listeners; what one of them throws affects neither the call nor the
 * others.
 */
final class CompositeListener implements LlmListener {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final LlmListener[] listeners;
  private final Set<LlmListener> logged = ConcurrentHashMap.newKeySet();

  CompositeListener(List<LlmListener> listeners) {
    List<LlmListener> all = new ArrayList<>();
    all.add(new Slf4jListener());
    for (LlmListener listener : listeners) {
      all.add(ofClient(listener));
    }
    this.listeners = all.toArray(new LlmListener[0]);
  }

  /** Returns what notifies this client, or the listener itself if that throws. */
  private LlmListener ofClient(LlmListener listener) {
    List<LlmListener> made = new ArrayList<>(1);
    Throwable thrown =
        UserCode.tell(() -> made.add(Objects.requireNonNull(listener.forClient(), "forClient")));
    if (thrown == null) {
      return made.get(0);
    }
    Throwable unused = UserCode.tell(() -> logThrown(listener, thrown));
    return listener;
  }

  @Override
  public void onCallStarted(long call, Map<String, String> tags) {
    notifyListeners(listener -> listener.onCallStarted(call, tags));
  }

  @Override
  public void onAttemptStarted(long call, String endpoint, String model) {
    notifyListeners(listener -> listener.onAttemptStarted(call, endpoint, model));
  }

  @Override
  public void onAttemptEnded(long call, Attempt attempt) {
    notifyListeners(listener -> listener.onAttemptEnded(call, attempt));
  }

  @Override
  public void onAttemptSkipped(long call, Attempt attempt) {
    notifyListeners(listener -> listener.onAttemptSkipped(call, attempt));
  }

  @Override
  public void onFallback(long call, Attempt attempt, String next) {
    notifyListeners(listener -> listener.onFallback(call, attempt, next));
  }

  @Override
  public void onStreamRestarted(long call, Attempt attempt) {
    notifyListeners(listener -> listener.onStreamRestarted(call, attempt));
  }

  @Override
  public void onCallAnswered(long call, ChatResponse response) {
    notifyListeners(listener -> listener.onCallAnswered(call, response));
  }

  @Override
  public void onCallFailed(long call, LlmException exception) {
    notifyListeners(listener -> listener.onCallFailed(call, exception));
  }

  @Override
  public void onRunawayStopped(long call, Runaway runaway) {
    notifyListeners(listener -> listener.onRunawayStopped(call, runaway));
  }

  @Override
  public void onEndpointChanged(EndpointChange change) {
    notifyListeners(listener -> listener.onEndpointChanged(change));
  }

  @Override
  public void onQueueAlert(QueueAlert alert) {
    notifyListeners(listener -> listener.onQueueAlert(alert));
  }

  @Override
  public void onBudgetAlert(BudgetStatus budget, double share) {
    notifyListeners(listener -> listener.onBudgetAlert(budget, share));
  }

  /** Returns this: the listeners are those of one client already. */
  @Override
  public LlmListener forClient() {
    return this;
  }

  @Override
  public UnaryOperator<Runnable> captureContext() {
    List<UnaryOperator<Runnable>> contexts = new ArrayList<>(listeners.length);
    notifyListeners(listener -> contexts.add(listener.captureContext()));
    return task -> {
      Runnable inAll = task;
      for (UnaryOperator<Runnable> context : contexts) {
        Runnable within = inAll;
        inAll = () -> runIn(context, within);
      }
      return inAll;
    };
  }

  /** Runs a task in a context, or without it if that throws instead. */
  private static void runIn(UnaryOperator<Runnable> context, Runnable task) {
    AtomicBoolean begun = new AtomicBoolean();
    Runnable once =
        () -> {
          if (begun.compareAndSet(false, true)) {
            task.run();
          }
        };
    Throwable unused = UserCode.tell(() -> context.apply(once).run());
    once.run();
  }

  @Override
  public Scope openScope(long call, String endpoint) {
    List<Scope> opened = new ArrayList<>(0);
    notifyListeners(
        listener -> {
          Scope scope = Objects.requireNonNull(listener.openScope(call, endpoint), "openScope");
          if (scope != Scope.NONE) {
            opened.add(0, scope);
          }
        });
    return opened.isEmpty()
        ? Scope.NONE
        : () -> opened.forEach(scope -> UserCode.ignore(scope::close));
  }

  private void notifyListeners(Consumer<LlmListener> event) {
    for (LlmListener listener : listeners) {
      Throwable thrown = UserCode.tell(() -> event.accept(listener));
      if (thrown != null) {
        Throwable unused = UserCode.tell(() -> logThrown(listener, thrown));
      }
    }
  }

  /** Logs the class only, because the message may hold what the listener was given. */
  private void logThrown(LlmListener listener, Throwable thrown) {
    if (logged.add(listener)) {
      LOG.warn(
          "listener {} threw {}, which is ignored; said once",
          listener.getClass().getName(),
          thrown.getClass().getName());
    }
  }
}
