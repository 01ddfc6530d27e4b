// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import okhttp3.Headers;

/**
 * A reply that is no answer, as far as it is worth reading.
 *
 * @param status the HTTP status
 * @param headers its headers
 * @param body the beginning of its body
 */
public record ErrorResponse(int status, Headers headers, String body) {}
