// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import okhttp3.Headers;

/**
 * Holds a reply that is not an answer, as far as it is read.
 *
 * @param status the HTTP status
 * @param headers the headers of the reply
 * @param body the beginning of its body
 */
public record ErrorResponse(int status, Headers headers, String body) {}
