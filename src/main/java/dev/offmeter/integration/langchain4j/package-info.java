// SPDX-License-Identifier: Apache-2.0
/**
 * Lets LangChain4j ask an {@link dev.offmeter.LlmClient}. Needs {@code
 * dev.langchain4j:langchain4j-core} 1.16.3 or later, which Offmeter does not bring.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.integration.langchain4j;
