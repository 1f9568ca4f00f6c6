"""The top-level fields that ServiceTitan documents for each resource: any other is news.

Source: ServiceTitan's OpenAPI documents of 2026-05-21; a contract test holds them against this list.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = {
    "appointment_assignments": (
        "active appointmentId assignedById assignedOn createdOn id isPaused jobId modifiedOn status "
        "technicianId technicianName"
    ),
    "appointments": (
        "active appointmentNumber appointmentSummaries arrivalWindowEnd arrivalWindowStart createdById "
        "createdOn customerId end id isConfirmed jobId modifiedOn specialInstructions start status unused"
    ),
    "bookings": (
        "active address bookingProviderId businessUnitId campaignId createdOn customerType "
        "dismissingReasonId externalId id isFirstTimeClient isSendConfirmationEmail jobId jobTypeId "
        "modifiedOn name priority source start status summary uploadedImages"
    ),
    "business_units": (
        "accountCode acknowledgementParagraph active address authorizationParagraph "
        "certifiedSentriconSpecialistCode conceptCode corporateContractNumber createdOn currency "
        "defaultTaxRate division email externalData franchiseId id invoiceHeader invoiceMessage materialSku "
        "modifiedOn name officialName phoneNumber quickbooksClass tagTypeIds tenant trade"
    ),
    "call_reasons": "active createdOn id isLead modifiedOn name",
    "calls": (
        "active agent campaign createdBy createdOn customer direction duration excuseMemo from id job lead "
        "location modifiedOn reason recordingUrl status tag to type voiceMailPath"
    ),
    "campaigns": (
        "active businessUnit campaignPhoneNumbers category createdOn id isDefaultCampaign medium modifiedOn "
        "name otherMedium otherSource source"
    ),
    "custom_fields": "createdOn dataType dataTypeOptions id modifiedOn name",
    "customer_contacts": (
        "active createdOn customerId id memo modifiedOn phoneSettings preferences type value"
    ),
    "customers": (
        "active address balance createdById createdOn creditLimit creditLimitBalance customFields doNotMail "
        "doNotService externalData id mergedToId modifiedOn name nationalAccount paymentTermId tagTypeIds "
        "taxExempt type"
    ),
    "employees": (
        "aadUserId accountLocked active agentId businessUnitId createdOn customFields email firstName home "
        "hourlyRate id lastName loginName managerId modifiedOn name overtimeProfileId permissions "
        "phoneNumber role roleIds startDate terminationDate userId"
    ),
    "estimate_items": (
        "budgetCodeId chargeable createdOn description id invoiceItemId itemGroupName itemGroupRootId "
        "membershipTypeId modifiedOn qty sku skuAccount total totalCost unitCost unitRate"
    ),
    "estimates": (
        "active budgetCodeId businessUnitId businessUnitName createdOn customerId depositAmount "
        "depositPercent externalLinks id isChangeOrder isRecommended items jobId jobNumber locationId "
        "modifiedOn name projectId proposalTagName requireDepositOnSignature reviewStatus soldBy soldOn "
        "status subtotal summary tax"
    ),
    "installed_equipment": (
        "active actualReplacementDate barcodeId cost createdOn customerId equipmentId id installedOn "
        "invoiceItemId locationId manufacturedOn manufacturer manufacturerWarrantyEnd "
        "manufacturerWarrantyStart memo model modifiedOn name predictedReplacementDate "
        "predictedReplacementMonths serialNumber serviceProviderWarrantyEnd serviceProviderWarrantyStart "
        "status tags type"
    ),
    "invoice_items": (
        "active addOn assetAccount budgetCodeId businessUnit cost costOfSaleAccount createdById createdOn "
        "description displayInAmount displayName estimateItemId exportId generalLedgerAccount id importId "
        "installedEquipmentId inventory inventoryLocation inventoryLocationId inventoryStatus invoiceId "
        "isChargeable itemGroup memberPrice membershipTypeId modifiedOn order price quantity serviceDate "
        "skuId skuName soldHours taxable technicianId total totalCost type"
    ),
    "invoices": (
        "active adjustmentToId assignedTo balance batch budgetCodeId businessUnit commissionEligibilityDate "
        "createdBy createdOn customFields customer customerAddress depositedOn discountTotal dueDate "
        "employeeInfo exportId id importId invoiceConfiguration invoiceDate invoiceType items job location "
        "locationAddress materialSkuId membershipId modifiedOn paidOn projectId referenceNumber "
        "reviewStatus royalty salesTax salesTaxCode sentStatus subTotal summary syncStatus taxZoneId "
        "termName total"
    ),
    "job_types": (
        "active businessUnitIds class createdOn customFieldTypeIds defaultEstimateSoldAction duration "
        "enforceRecurringServiceEventSelection externalData id invoiceSignaturesRequired isSmartDispatched "
        "modifiedOn name noCharge priority skills soldThreshold summary tagTypeIds"
    ),
    "jobs": (
        "active appointmentCount bookingId businessUnitId campaignId completedOn createdById "
        "createdFromEstimateId createdOn customFields customerId customerPo equipmentIds estimateIds "
        "externalData firstAppointmentId id invoiceId isAutoDispatched jobGeneratedLeadSource jobNumber "
        "jobStatus jobTypeId lastAppointmentId leadCallId locationId membershipId modifiedOn noCharge "
        "notificationsEnabled partnerLeadCallId priority projectId recallForId soldById summary "
        "summaryOfWork tagTypeIds total warrantyId"
    ),
    "leads": (
        "active bookingId businessUnitId callId callReasonId campaignId captureSource createdById createdOn "
        "customerId dismissingReasonId followUpDate id jobTypeId leadCity leadCountry leadCustomerName "
        "leadEmail leadPhone leadState leadStreet leadUnit leadUrl leadZip locationId manualCallId "
        "modifiedOn priority status summary tagTypeIds"
    ),
    "locations": (
        "active address createdById createdOn customFields customerId externalData id mergedToId modifiedOn "
        "name tagTypeIds taxExempt taxZoneId zoneId"
    ),
    "memberships": (
        "activatedById activatedFromId active billingFrequency billingTemplateId businessUnitId "
        "cancellationBalanceInvoiceId cancellationDate cancellationInvoiceId createdById createdOn "
        "customFields customerId customerPo duration followUpCustomStatusId followUpOn followUpStatus from "
        "id importId initialDeferredRevenue locationId membershipTypeId memo modifiedOn "
        "nextScheduledBillDate paymentMethodId paymentTypeId recurringLocationId renewalBillingFrequency "
        "renewalDuration renewalMembershipTaskId renewedById soldById status to"
    ),
    "payments": (
        "active appliedTo authCode batch businessUnit checkNumber createdBy createdOn customFields customer "
        "date deposit generalLedgerAccount id memo modifiedOn referenceNumber refundedPaymentId syncStatus "
        "total type typeId unappliedAmount"
    ),
    "tag_types": (
        "active allowToUseOnTimesheetActivity code color createdOn id importance isConversionOpportunity "
        "isVisibleOnDispatchBoard modifiedOn name"
    ),
    "technicians": (
        "aadUserId accountLocked active appoitmentId bio burdenRate businessUnitId commissionRate createdOn "
        "currentValue customFields dailyGoal email firstName home hourlyRate id isManagedTech jobFilter "
        "jobId lastName licenseType location loginName mainZoneId memo mobilePhone modifiedOn name "
        "outboundCallerId payrollId payrollProfileId permissions phoneNumber positions roleIds shiftEnd "
        "shiftStart skills soldByRate startDate status team userId zoneIds"
    ),
}

DOCUMENTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {name: frozenset(fields.split()) for name, fields in _FIELDS.items()}
)
"""The fields by resource; the four lists of custom fields share ``custom_fields``."""
