// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import okhttp3.Call;
import okhttp3.Connection;
import okhttp3.Dispatcher;
import okhttp3.EventListener;
import okhttp3.Handshake;
import okhttp3.HttpUrl;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Forwards HTTP events to an application's event listener and isolates OkHttp from it. OkHttp calls
 * a listener while connections are half made or half released; an exception or an interrupt from it
 * would damage those. Here either is ignored, and logged once.
 */
final class GuardedEventListener extends EventListener {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final EventListener listener;
  private final AtomicBoolean logged;

  private GuardedEventListener(EventListener listener, AtomicBoolean logged) {
    this.listener = listener;
    this.logged = logged;
  }

  /** Returns a factory of guarded listeners. */
  static EventListener.Factory of(EventListener.Factory listeners) {
    AtomicBoolean said = new AtomicBoolean();
    return call -> {
      EventListener[] made = {EventListener.NONE};
      notifyListener(said, () -> made[0] = listeners.create(call));
      EventListener listener = made[0];
      return listener == EventListener.NONE
          ? SocksProxy.EVENTS
          : new GuardedEventListener(listener, said);
    };
  }

  private void notifyListener(UserCode.Action event) {
    notifyListener(logged, event);
  }

  private static void notifyListener(AtomicBoolean said, UserCode.Action event) {
    Throwable thrown = UserCode.tellWithoutInterrupt(event);
    if (thrown != null) {
      logThrown(said, thrown.getClass().getName());
    }
  }

  /** Logs the class only: a message may hold what the listener was given. */
  private static void logThrown(AtomicBoolean said, String thrown) {
    if (said.compareAndSet(false, true)) {
      Throwable unused =
          UserCode.tellWithoutInterrupt(
              () ->
                  LOG.warn(
                      "the event listener of the OkHttpClient threw {}, which is ignored; said once",
                      thrown));
    }
  }

  @Override
  public void callStart(Call call) {
    notifyListener(() -> listener.callStart(call));
  }

  @Override
  public void dispatcherQueueStart(Call call, Dispatcher dispatcher) {
    notifyListener(() -> listener.dispatcherQueueStart(call, dispatcher));
  }

  @Override
  public void dispatcherQueueEnd(Call call, Dispatcher dispatcher) {
    notifyListener(() -> listener.dispatcherQueueEnd(call, dispatcher));
  }

  @Override
  public void proxySelectStart(Call call, HttpUrl url) {
    notifyListener(() -> listener.proxySelectStart(call, url));
  }

  @Override
  public void proxySelectEnd(Call call, HttpUrl url, List<Proxy> proxies) {
    notifyListener(() -> listener.proxySelectEnd(call, url, proxies));
  }

  @Override
  public void dnsStart(Call call, String domainName) {
    notifyListener(() -> listener.dnsStart(call, domainName));
  }

  @Override
  public void dnsEnd(Call call, String domainName, List<InetAddress> inetAddressList) {
    notifyListener(() -> listener.dnsEnd(call, domainName, inetAddressList));
  }

  @Override
  public void connectStart(Call call, InetSocketAddress inetSocketAddress, Proxy proxy) {
    notifyListener(() -> listener.connectStart(call, inetSocketAddress, proxy));
    SocksProxy.onConnectStart(proxy);
  }

  @Override
  public void secureConnectStart(Call call) {
    notifyListener(() -> listener.secureConnectStart(call));
  }

  @Override
  public void secureConnectEnd(Call call, @Nullable Handshake handshake) {
    notifyListener(() -> listener.secureConnectEnd(call, handshake));
  }

  @Override
  public void connectEnd(
      Call call, InetSocketAddress inetSocketAddress, Proxy proxy, @Nullable Protocol protocol) {
    notifyListener(() -> listener.connectEnd(call, inetSocketAddress, proxy, protocol));
  }

  @Override
  public void connectFailed(
      Call call,
      InetSocketAddress inetSocketAddress,
      Proxy proxy,
      @Nullable Protocol protocol,
      IOException ioe) {
    notifyListener(() -> listener.connectFailed(call, inetSocketAddress, proxy, protocol, ioe));
  }

  @Override
  public void connectionAcquired(Call call, Connection connection) {
    notifyListener(() -> listener.connectionAcquired(call, connection));
  }

  @Override
  public void connectionReleased(Call call, Connection connection) {
    notifyListener(() -> listener.connectionReleased(call, connection));
  }

  @Override
  public void requestHeadersStart(Call call) {
    notifyListener(() -> listener.requestHeadersStart(call));
  }

  @Override
  public void requestHeadersEnd(Call call, Request request) {
    notifyListener(() -> listener.requestHeadersEnd(call, request));
  }

  @Override
  public void requestBodyStart(Call call) {
    notifyListener(() -> listener.requestBodyStart(call));
  }

  @Override
  public void requestBodyEnd(Call call, long byteCount) {
    notifyListener(() -> listener.requestBodyEnd(call, byteCount));
  }

  @Override
  public void requestFailed(Call call, IOException ioe) {
    notifyListener(() -> listener.requestFailed(call, ioe));
  }

  @Override
  public void responseHeadersStart(Call call) {
    notifyListener(() -> listener.responseHeadersStart(call));
  }

  @Override
  public void responseHeadersEnd(Call call, Response response) {
    notifyListener(() -> listener.responseHeadersEnd(call, response));
  }

  @Override
  public void responseBodyStart(Call call) {
    notifyListener(() -> listener.responseBodyStart(call));
  }

  @Override
  public void responseBodyEnd(Call call, long byteCount) {
    notifyListener(() -> listener.responseBodyEnd(call, byteCount));
  }

  @Override
  public void responseFailed(Call call, IOException ioe) {
    notifyListener(() -> listener.responseFailed(call, ioe));
  }

  @Override
  public void callEnd(Call call) {
    notifyListener(() -> listener.callEnd(call));
  }

  @Override
  public void callFailed(Call call, IOException ioe) {
    notifyListener(() -> listener.callFailed(call, ioe));
  }

  @Override
  public void canceled(Call call) {
    notifyListener(() -> listener.canceled(call));
  }

  @Override
  public void satisfactionFailure(Call call, Response response) {
    notifyListener(() -> listener.satisfactionFailure(call, response));
  }

  @Override
  public void cacheHit(Call call, Response response) {
    notifyListener(() -> listener.cacheHit(call, response));
  }

  @Override
  public void cacheMiss(Call call) {
    notifyListener(() -> listener.cacheMiss(call));
  }

  @Override
  public void cacheConditionalHit(Call call, Response cachedResponse) {
    notifyListener(() -> listener.cacheConditionalHit(call, cachedResponse));
  }

  @Override
  public void retryDecision(Call call, IOException exception, boolean retry) {
    notifyListener(() -> listener.retryDecision(call, exception, retry));
  }

  @Override
  public void followUpDecision(Call call, Response networkResponse, @Nullable Request nextRequest) {
    notifyListener(() -> listener.followUpDecision(call, networkResponse, nextRequest));
  }
}
