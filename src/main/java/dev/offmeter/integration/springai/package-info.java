// SPDX-License-Identifier: Apache-2.0

/**
 * A chat model of Spring AI over a client. It needs {@code org.springframework.ai:spring-ai-model}
 * 1.1 or 2.0, which the library does not bring.
 */
@NullMarked
package dev.offmeter.integration.springai;

import org.jspecify.annotations.NullMarked;
