// SPDX-License-Identifier: Apache-2.0
/** The health of the endpoints as Spring Boot 3.5 asks for it. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.integration.spring.boot3;
