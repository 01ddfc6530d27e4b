// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BoundedValuesTest {
  private final BoundedValues values = new BoundedValues(2);

  @Test
  void theFirstOnesAreKeptAndTheRestIsOther() {
    assertThat(values.of("a")).isEqualTo("a");
    assertThat(values.of("b")).isEqualTo("b");
    assertThat(values.of("c")).isEqualTo("other");
    assertThat(values.of("a")).isEqualTo("a");
  }

  @Test
  void anEmptyOneIsNone() {
    assertThat(values.of("")).isEqualTo("none");
  }

  @Test
  void aLongOneIsOther() {
    assertThat(values.of("x".repeat(100))).hasSize(100);
    assertThat(values.of("x".repeat(101))).isEqualTo("other");
  }
}
