// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import java.util.stream.Stream;
import org.springframework.boot.test.context.SpringBootTest;

@SpringBootTest(
    webEnvironment = SpringBootTest.WebEnvironment.RANDOM_PORT,
    properties = "spring.main.web-application-type=reactive")
class ReactiveStreamTest extends StreamScenarios {
  static Stream<String> paths() {
    return Stream.of("/reactive");
  }
}
