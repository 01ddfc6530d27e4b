// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.LlmClient;

/** The smallest program that uses Offmeter. */
public final class Quickstart {
  public static void main(String[] args) {
    try (LlmClient llm = LlmClient.fromEnv()) {
      String draft = llm.chat("Draft a friendly reminder for invoice 1042.").text();
      System.out.println(draft);
    }
  }
}
