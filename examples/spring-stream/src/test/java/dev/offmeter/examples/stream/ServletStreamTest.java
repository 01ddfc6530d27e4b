// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import java.util.stream.Stream;
import org.springframework.boot.test.context.SpringBootTest;

@SpringBootTest(webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT)
class ServletStreamTest extends StreamScenarios {
  static Stream<String> paths() {
    return Stream.of("/emitter", "/blocking");
  }
}
