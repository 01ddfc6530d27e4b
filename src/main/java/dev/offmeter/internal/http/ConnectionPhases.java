// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.wire.Protocol.Fact;
import dev.offmeter.internal.wire.Protocol.Topic;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.SocketAddress;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.Handshake;
import okhttp3.Protocol;
import org.jspecify.annotations.Nullable;

/**
 * Records how far the first connection to a server has come: lookup, proxy, TCP, TLS. OkHttp may
 * try several addresses at once, each on a thread of its own.
 */
final class ConnectionPhases extends EventListener {
  /** Matches OkHttp's message for a certificate of another host. */
  private static final Pattern OTHER_NAMES = Pattern.compile("subjectAltNames: \\[(.*?)]");

  private static final Set<FailureKind> UNREACHED =
      EnumSet.of(FailureKind.CONNECTION_REFUSED, FailureKind.CONNECT_TIMEOUT);

  private final Instant now;
  private long lookedUpSince;
  private long connectingSince;
  private @Nullable Fact dns;
  private @Nullable InetSocketAddress address;
  private @Nullable Proxy proxy;
  private @Nullable Fact tcp;
  private long handshakeSince;
  private @Nullable Fact tls;
  private boolean connected;

  ConnectionPhases(Instant now) {
    this.now = now;
  }

  @Override
  public synchronized void dnsStart(Call call, String domainName) {
    lookedUpSince = System.nanoTime();
  }

  @Override
  public synchronized void dnsEnd(Call call, String domainName, List<InetAddress> found) {
    String addresses =
        found.stream().limit(3).map(InetAddress::getHostAddress).collect(Collectors.joining(", "));
    dns = dns == null ? Fact.well(Topic.DNS, addresses + since(lookedUpSince)) : dns;
  }

  @Override
  public synchronized void connectStart(Call call, InetSocketAddress to, Proxy through) {
    if (!connected) {
      connectingSince = System.nanoTime();
      address = to;
      proxy = through;
    }
    SocksProxy.onConnectStart(through);
  }

  @Override
  public synchronized void secureConnectStart(Call call) {
    if (!connected) {
      onReached();
      handshakeSince = System.nanoTime();
    }
  }

  @Override
  public synchronized void secureConnectEnd(Call call, @Nullable Handshake handshake) {
    if (!connected && handshake != null) {
      tls = Fact.well(Topic.TLS, handshake.tlsVersion().javaName() + certificate(handshake));
    }
  }

  @Override
  public synchronized void connectEnd(
      Call call, InetSocketAddress to, Proxy through, @Nullable Protocol protocol) {
    if (!connected) {
      onReached();
      connected = true;
    }
  }

  private void onReached() {
    InetSocketAddress to = address;
    if (tcp == null && to != null) {
      tcp = Fact.well(Topic.TCP, shown(to) + since(connectingSince));
    }
  }

  private String certificate(Handshake handshake) {
    List<Certificate> chain = handshake.peerCertificates();
    if (chain.isEmpty() || !(chain.get(0) instanceof X509Certificate own)) {
      return "";
    }
    Instant end = own.getNotAfter().toInstant();
    long days = Duration.between(now, end).toDays();
    return ", certificate until "
        + end.atZone(ZoneOffset.UTC).toLocalDate()
        + " ("
        + days
        + " days)";
  }

  /** Returns whether a connection was made, so that a failure is the server's own. */
  synchronized boolean isConnected() {
    return connected;
  }

  /**
   * Returns the facts about the connection.
   *
   * @param failure why there is no connection; null if there is one
   */
  synchronized List<Fact> facts(@Nullable IOException thrown, @Nullable AttemptException failure) {
    List<Fact> facts = new ArrayList<>();
    add(facts, dns, lookup());
    Proxy through = proxy;
    if (through != null) {
      boolean direct = through.type() == Proxy.Type.DIRECT;
      String named = direct ? "none" : through.type() + " at " + shown(through.address());
      facts.add(Fact.well(Topic.PROXY, named));
    }
    add(facts, tcp, null);
    add(facts, tls, null);
    if (failure != null) {
      Topic broken = brokenTopic(failure);
      facts.removeIf(fact -> fact.topic() == broken);
      facts.add(Fact.wrong(broken, broken == Topic.TLS ? describe(thrown, failure) : failure));
    }
    return facts;
  }

  private static void add(List<Fact> facts, @Nullable Fact fact, @Nullable Fact otherwise) {
    if (fact != null) {
      facts.add(fact);
    } else if (otherwise != null) {
      facts.add(otherwise);
    }
  }

  /** Returns the fact about the lookup. OkHttp reports none for a host that is an address. */
  private @Nullable Fact lookup() {
    return lookedUpSince == 0 && address != null
        ? Fact.well(Topic.DNS, "not needed: the host is an address")
        : null;
  }

  private Topic brokenTopic(AttemptException failure) {
    if (failure.kind() == FailureKind.UNKNOWN_HOST || (address == null && dns == null)) {
      return Topic.DNS;
    }
    if (handshakeSince != 0) {
      return Topic.TLS;
    }
    Proxy through = proxy;
    boolean direct = through == null || through.type() == Proxy.Type.DIRECT;
    return direct || UNREACHED.contains(failure.kind()) ? Topic.TCP : Topic.PROXY;
  }

  private static AttemptException describe(@Nullable IOException thrown, AttemptException failure) {
    String message = thrown == null ? "" : String.valueOf(UserCode.message(thrown));
    Matcher names = OTHER_NAMES.matcher(message);
    if (names.find()) {
      return failure.withMessage(
          "the certificate is for " + names.group(1) + " and not for this host");
    }
    String root =
        thrown == null ? "" : IoFailureClassifier.cause(thrown).getClass().getSimpleName();
    return switch (root) {
      case "CertificateExpiredException" ->
          failure.withMessage("the certificate has expired: " + failure.message());
      case "CertificateNotYetValidException" ->
          failure.withMessage("the certificate is not valid yet: " + failure.message());
      case "SunCertPathBuilderException" ->
          failure.withMessage("no trusted authority has signed the certificate");
      default -> failure;
    };
  }

  private static String shown(SocketAddress address) {
    if (!(address instanceof InetSocketAddress inet)) {
      return "an address";
    }
    InetAddress resolved = inet.getAddress();
    String host = resolved == null ? inet.getHostString() : resolved.getHostAddress();
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + inet.getPort();
  }

  private static String since(long nanos) {
    return String.format(Locale.ROOT, ", %d ms", (System.nanoTime() - nanos) / 1_000_000);
  }
}
