// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testkit.FakeLlm;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A name that belongs to this machine, in a resolver that says otherwise. */
class LocalhostNameTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  /** The addresses of RFC 5737, RFC 1918 and RFC 3849: other machines, nearby ones among them. */
  private static final List<String> ELSEWHERE = List.of("192.0.2.7", "10.0.0.7", "2001:db8::7");

  private final List<ConnectedTo> connections = new ArrayList<>();
  private FakeLlm node;

  private record ConnectedTo(String address) {}

  @BeforeEach
  void start() {
    node = loopback.fake(FakeLlm.ollama().answers("NODE"));
  }

  private ChatResponse asked(String host, List<String> addresses) {
    OkHttpClient http =
        new OkHttpClient.Builder()
            .dns(name -> addresses.stream().map(LocalhostNameTest::address).toList())
            .eventListener(
                new okhttp3.EventListener() {
                  @Override
                  public void connectStart(
                      okhttp3.Call call, java.net.InetSocketAddress to, java.net.Proxy proxy) {
                    connections.add(new ConnectedTo(to.getAddress().getHostAddress()));
                  }
                })
            .build();
    String url = "http://" + host + ":" + URI.create(node.url()).getPort();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .httpClient(http)
                .endpoint(Endpoint.ollama("node", url).model("m").apiKey("secret-key").build())
                .endpoint(template()));
    return client.chat(ChatRequest.builder().user("a reminder").selfHostedOnly().build());
  }

  private static InetAddress address(String literal) {
    try {
      return InetAddress.getByName(literal);
    } catch (UnknownHostException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"localhost", "LOCALHOST", "ollama.localhost", "a.b.Localhost"})
  void noSocketIsOpenedToAnotherMachine(String host) {
    for (String elsewhere : ELSEWHERE) {
      ChatResponse response = asked(host, List.of(elsewhere));

      assertThat(response.text()).isEqualTo("TEMPLATE");
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.UNKNOWN_HOST);
      assertThat(response.attempts().get(0).message()).contains("loopback address");
    }
    assertThat(connections).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"localhost", "ollama.localhost"})
  void ofSeveralAddressesThoseOfThisMachineAreTried(String host) {
    assertThat(asked(host, List.of("192.0.2.7", "127.0.0.1", "10.0.0.7")).text()).isEqualTo("NODE");
    assertThat(connections).containsExactly(new ConnectedTo("127.0.0.1"));
  }
}
