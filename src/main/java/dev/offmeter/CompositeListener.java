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
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
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
    List<LlmListener> all = new ArrayList<>(listeners);
    all.add(0, new Slf4jListener());
    this.listeners = all.toArray(new LlmListener[0]);
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
