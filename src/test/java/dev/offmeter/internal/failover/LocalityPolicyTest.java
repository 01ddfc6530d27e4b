// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A request goes only to endpoints of a locality that it permits. */
class LocalityPolicyTest {
  private static final ChatRequest ANYWHERE = ChatRequest.builder().user("a reminder").build();
  private static final ChatRequest AT_HOME =
      ChatRequest.builder().user("canary-prompt").selfHostedOnly().build();

  private static EndpointConfig endpoint(Locality locality) {
    return ClientInternals.config(
        Endpoint.ollama("home", "http://127.0.0.1:1").model("m").locality(locality).build(), false);
  }

  @ParameterizedTest
  @EnumSource(Locality.class)
  void aRequestWithoutACareGoesAnywhere(Locality locality) {
    assertThat(LocalityPolicy.isPermitted(ANYWHERE, endpoint(locality))).isTrue();
    assertThatCode(() -> LocalityPolicy.requirePermitted(ANYWHERE, endpoint(locality)))
        .doesNotThrowAnyException();
  }

  @Test
  void aRequestForHomeGoesToASelfHostedEndpoint() {
    assertThat(LocalityPolicy.isPermitted(AT_HOME, endpoint(Locality.SELF_HOSTED))).isTrue();
    assertThatCode(() -> LocalityPolicy.requirePermitted(AT_HOME, endpoint(Locality.SELF_HOSTED)))
        .doesNotThrowAnyException();
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "SELF_HOSTED")
  void aRequestForHomeGoesToNoOther(Locality other) {
    assertThat(LocalityPolicy.isPermitted(AT_HOME, endpoint(other))).isFalse();
    assertThatThrownBy(() -> LocalityPolicy.requirePermitted(AT_HOME, endpoint(other)))
        .isInstanceOfSatisfying(
            AttemptException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.NOT_PERMITTED))
        .hasMessageNotContaining("canary");
  }
}
