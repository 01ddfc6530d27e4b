// SPDX-License-Identifier: Apache-2.0
/**
 * Performs one exchange with one endpoint over HTTP, or calls a function. Start with {@link
 * dev.offmeter.internal.http.EndpointConfig} and {@link dev.offmeter.internal.http.Transport}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.internal.http;
