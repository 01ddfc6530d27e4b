// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.stream;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.scheduling.annotation.EnableScheduling;

@SpringBootApplication
@EnableScheduling
class StreamApplication {
  public static void main(String[] args) {
    SpringApplication.run(StreamApplication.class, args);
  }
}
