// SPDX-License-Identifier: Apache-2.0
/**
 * One endpoint: where it is, how long it may take, with what key it is asked, and one exchange with
 * it. Start with {@link dev.offmeter.endpoint.EndpointSpec}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.endpoint;
