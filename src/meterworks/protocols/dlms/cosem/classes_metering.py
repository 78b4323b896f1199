"""Rows of the classes that hold data, keep time, control access and act: numbers 1 to 22, 26, 30, 61 to 71, 111 to 124.

Written as `read_classes` says.  Source: COSEM interface classes; fact sheet section 7.
"""

from typing import Final

__all__ = ["METERING_CLASSES"]

METERING_CLASSES: Final = """
1 0 Data
  value any

3 0 Register @28
  value any
  scaler_unit $scaler_unit static
  > reset i8

4 0 Extended register @38
  value any
  scaler_unit $scaler_unit static
  status any
  capture_time dt
  > reset i8

5 0 Demand register @48
  current_average_value any
  last_average_value any
  scaler_unit $scaler_unit static
  status any
  capture_time dt
  start_time_current dt
  period u32 static
  number_of_periods u16 static
  > reset i8
  > next_period i8

6 0 Register activation @30
  register_assignment [{class_id:u16,logical_name:ln}] static
  mask_list [{mask_name:os,index_list:[u8]}] static
  active_mask os
  > add_register {class_id:u16,logical_name:ln}
  > add_mask {mask_name:os,index_list:[u8]}
  > delete_mask os

7 0 Profile generic @58
  buffer array
  capture_objects [$column] static
  capture_period u32 static
  sort_method enum static
  sort_object $column static
  entries_in_use u32
  profile_entries u32 static
  > reset i8
  > capture i8
  > get_buffer_by_range any
  > get_buffer_by_index any

7 1 Profile generic @58
  buffer array|compact
  capture_objects [$column] static
  capture_period u32 static
  sort_method enum static
  sort_object $column static
  entries_in_use u32
  profile_entries u32 static
  > reset i8
  > capture i8

8 0 Clock @60
  time dt
  time_zone i16
  status u8
  daylight_savings_begin dt
  daylight_savings_end dt
  daylight_savings_deviation i8
  daylight_savings_enabled bool
  clock_base enum static
  > adjust_to_quarter i8
  > adjust_to_measuring_period i8
  > adjust_to_minute i8
  > adjust_to_preset_time i8
  > preset_adjusting_time {preset_time:dt,validity_interval_start:dt,validity_interval_end:dt}
  > shift_time i16

9 0 Script table @20
  scripts [$script] static
  > execute u16

10 0 Schedule @20
  entries [$schedule_entry] static
  > enable_disable {first_disable:u16,last_disable:u16,first_enable:u16,last_enable:u16}
  > insert $schedule_entry
  > delete {first_index:u16,last_index:u16}

11 0 Special days table @10
  entries [$special_day] static
  > insert $special_day
  > delete u16

12 0 Association SN @20
  object_list [$short_object]
  > getlist_by_classid any
  > getobj_by_logicalname any
  > read_by_logicalname any
  > get_attributes_and_services any
  > change_LLS_secret os
  > change_HLS_secret os
  > get_HLS_challenge os
  > reply_to_HLS_challenge os

12 1 Association SN @20
  object_list [$short_object]
  > getlist_by_classid any
  > getobj_by_logicalname any
  > read_by_logicalname any
  > get_attributes_and_services any
  > change_LLS_secret os
  > change_HLS_secret os
  > get_HLS_challenge os
  > reply_to_HLS_challenge os

12 2 Association SN @20
  object_list [$short_object]
  access_rights_list [$short_rights]
  security_setup_reference ln static
  > reserved_1 any
  > reserved_2 any
  > read_by_logicalname [{class_id:u16,logical_name:ln,attribute_index:i8}]
  > reserved_4 any
  > change_secret os
  > reserved_6 any
  > reserved_7 any
  > reply_to_HLS_authentication os

12 3 Association SN @30
  object_list [$short_object]
  access_rights_list [$short_rights]
  security_setup_reference ln static
  user_list [$user]
  current_user $user
  > reserved_1 any
  > reserved_2 any
  > read_by_logicalname [{class_id:u16,logical_name:ln,attribute_index:i8}]
  > reserved_4 any
  > change_secret os
  > reserved_6 any
  > reserved_7 any
  > reply_to_HLS_authentication os
  > add_user $user
  > remove_user $user

12 4 Association SN @30
  object_list [$short_object]
  access_rights_list [$short_rights]
  security_setup_reference ln static
  user_list [$user]
  current_user $user
  > reserved_1 any
  > reserved_2 any
  > read_by_logicalname [{class_id:u16,logical_name:ln,attribute_index:i8}]
  > reserved_4 any
  > change_secret os
  > reserved_6 any
  > reserved_7 any
  > reply_to_HLS_authentication os
  > add_user $user
  > remove_user $user

15 0 Association LN @60
  object_list [$object]
  associated_partners_id {client_sap:i8,server_sap:u16}
  application_context_name struct|os
  xdlms_context_info $xdlms_context
  authentication_mechanism_name struct|os
  secret os
  association_status enum
  > reply_to_HLS_authentication os
  > change_HLS_secret os
  > add_object $object
  > remove_object $object

15 1 Association LN @60
  object_list [$object]
  associated_partners_id {client_sap:i8,server_sap:u16}
  application_context_name struct|os
  xdlms_context_info $xdlms_context
  authentication_mechanism_name struct|os
  secret os
  association_status enum
  security_setup_reference ln static
  > reply_to_HLS_authentication os
  > change_HLS_secret os
  > add_object $object
  > remove_object $object

15 2 Association LN @60
  object_list [$object]
  associated_partners_id {client_sap:i8,server_sap:u16}
  application_context_name struct|os
  xdlms_context_info $xdlms_context
  authentication_mechanism_name struct|os
  secret os
  association_status enum
  security_setup_reference ln static
  user_list [$user]
  current_user $user
  > reply_to_HLS_authentication os
  > change_HLS_secret os
  > add_object $object
  > remove_object $object
  > add_user $user
  > remove_user $user

15 3 Association LN @60
  object_list [$object]
  associated_partners_id {client_sap:i8,server_sap:u16}
  application_context_name struct|os
  xdlms_context_info $xdlms_context
  authentication_mechanism_name struct|os
  secret os
  association_status enum
  security_setup_reference ln static
  user_list [$user]
  current_user $user
  > reply_to_HLS_authentication os
  > change_HLS_secret os
  > add_object $object
  > remove_object $object
  > add_user $user
  > remove_user $user

17 0 SAP assignment @20
  sap_assignment_list [$sap] static
  > connect_logical_device $sap

18 0 Image transfer @40
  image_block_size u32 static
  image_transferred_blocks_status bits
  image_first_not_transferred_block_number u32
  image_transfer_enabled bool
  image_transfer_status enum
  image_to_activate_info [$image]
  > image_transfer_initiate {image_identifier:os,image_size:u32}
  > image_block_transfer {image_block_number:u32,image_block_value:os}
  > image_verify i8
  > image_activate i8

20 0 Activity calendar @50
  calendar_name_active os
  season_profile_active [$season]
  week_profile_table_active [$week]
  day_profile_table_active [$day]
  calendar_name_passive os
  season_profile_passive [$season]
  week_profile_table_passive [$week]
  day_profile_table_passive [$day]
  activate_passive_calendar_time dt
  > activate_passive_calendar i8

21 0 Register monitor
  thresholds [any] static
  monitored_value $value static
  actions [{action_up:$action,action_down:$action}] static

22 0 Single action schedule
  executed_script $action static
  type enum static
  execution_time [{time:time,date:date}]

26 0 Utility tables
  table_id u16 static
  length u32
  buffer os

30 0 Data protection @30
  protection_buffer os
  protection_object_list [$column]
  protection_parameters_get [$protection]
  protection_parameters_set [$protection]
  required_protection enum
  > get_protected_attributes any
  > set_protected_attributes any
  > invoke_protected_method any

61 0 Register table @28
  table_cell_values array|compact
  table_cell_definition {class_id:u16,logical_name:ln,group_e_values:[u8],attribute_index:i8} static
  scaler_unit $scaler_unit|null static
  > reset i8
  > capture i8

62 0 Compact data @38
  compact_buffer os
  capture_objects [$column] static
  template_id u8 static
  template_description os
  capture_method enum static
  > reset i8
  > capture i8

62 1 Compact data @38
  compact_buffer os
  capture_objects [$restricted_column] static
  template_id u8 static
  template_description os
  capture_method enum static
  > reset i8
  > capture i8

63 0 Status mapping
  status_word any
  mapping_table {ref_table_id:u8,ref_table_mapping:u16|[u16]} static

64 0 Security setup @28
  security_policy enum
  security_suite enum static
  client_system_title os
  server_system_title os static
  > security_activate enum
  > global_key_transfer [$key]

64 1 Security setup @30
  security_policy enum
  security_suite enum static
  client_system_title os
  server_system_title os static
  certificates [$certificate]
  > security_activate enum
  > key_transfer [$key]
  > key_agreement [{key_id:enum,key_data:os}]
  > generate_key_pair enum
  > generate_certificate_request enum
  > import_certificate os
  > export_certificate {certificate_identification_type:enum,certificate_identification_options:struct}
  > remove_certificate {certificate_identification_type:enum,certificate_identification_options:struct}

65 0 Parameter monitor @20
  changed_parameter {class_id:u16,logical_name:ln,attribute_index:i8,attribute_value:any}
  capture_time dt
  parameter_list [$value] static
  > add_parameter $value
  > delete_parameter $value

65 1 Parameter monitor @40
  changed_parameter {class_id:u16,logical_name:ln,attribute_index:i8,attribute_value:any}
  capture_time dt
  parameter_list [$value] static
  parameter_list_name os
  hash_algorithm_id enum static
  parameter_value_digest os
  parameter_values struct
  > add_parameter $value
  > delete_parameter $value

66 0 Measurement data monitoring
  monitored_value $value static
  actions any

67 0 Sensor manager
  serial_number os static
  metrological_identification os static
  output_type enum static
  adjustment_method os static
  sealing_method enum static
  raw_value any
  scaler_unit $scaler_unit static
  status any
  capture_time dt
  raw_value_thresholds array static
  raw_value_actions array static
  processed_value any
  processed_value_thresholds array static
  processed_value_actions array static
  > reset i8

68 0 Arbitrator @30
  actions [$action] static
  permissions_table [bits] static
  weightings_table [[u16]] static
  most_recent_requests_table [bits]
  last_outcome u8
  > request_action {request_actor:u8,request_action_list:bits}
  > reset i8

70 0 Disconnect control @20
  output_state bool
  control_state enum
  control_mode enum
  > remote_disconnect i8
  > remote_reconnect i8

71 0 Limiter
  monitored_value $value static
  threshold_active any
  threshold_normal any
  threshold_emergency any
  min_over_threshold_duration u32
  min_under_threshold_duration u32
  emergency_profile {emergency_profile_id:u16,emergency_activation_time:dt,emergency_duration:u32}|struct
  emergency_profile_group_id_list [u16]
  emergency_profile_active bool
  actions {action_over_threshold:$action,action_under_threshold:$action} static

111 0 Account @98
  account_mode_and_status {account_mode:enum,account_status:enum}
  current_credit_in_use u8
  current_credit_status bits
  available_credit i32
  amount_to_clear i32
  clearance_threshold i32
  aggregated_debt i32
  credit_reference_list [ln]
  charge_reference_list [ln]
  credit_charge_configuration [{credit_reference:ln,charge_reference:ln,collection_configuration:bits}]
  token_gateway_configuration [{credit_reference:ln,token_proportion:u8}]
  account_activation_time dt
  account_closure_time dt
  currency {currency_name:utf8|os|vs,currency_scale:i8,currency_unit:enum}
  low_credit_threshold i32
  next_credit_available_threshold i32
  max_provision u16
  max_provision_period i32
  > activate_account i8
  > close_account i8
  > reset_account i8

112 0 Credit @58
  current_credit_amount i32
  credit_type enum static
  priority u8
  warning_threshold i32
  limit i32
  credit_configuration bits
  credit_status enum
  preset_credit_amount i32
  credit_available_threshold i32
  period dt
  > update_amount i32
  > set_amount_to_value i32
  > invoke_credit i8

113 0 Charge @68
  total_amount_paid i32
  charge_type enum static
  priority u8
  unit_charge_active $unit_charge
  unit_charge_passive $unit_charge
  unit_charge_activation_time dt
  period u32
  charge_configuration bits
  last_collection_time dt
  last_collection_amount i32
  total_amount_remaining i32
  proportion u16
  > update_unit_charge [{index:os,charge_per_unit:i16}]
  > activate_passive_unit_charge i8
  > collect i8
  > update_total_amount_remaining i32
  > set_total_amount_remaining i32

115 0 Token gateway @30
  token os
  token_time dt
  token_description [os]
  token_delivery_method enum
  token_status {status_code:enum,data_value:bits}
  > enter os

116 0 IEC 62055-41 attributes
  meter_pan struct static
  commodity vs static
  token_carrier_types [u8]
  encryption_algorithm u8
  supply_group_code u32
  tariff_index u8
  key_revision_number u8
  key_type u8
  key_expiry_number u8
  number_of_kct_supported u8
  sts_certificate os

122 0 Function control
  activation_status [$function]
  function_list [{function_name:os,function_specifications:array}]
  > set_function_status [$function]
  > add_function any
  > remove_function any

123 0 Array manager @10
  array_object_list [{array_object_id:u8,array_object:$value}]
  > retrieve_number_of_entries u8
  > retrieve_entries {array_object_id:u8,range:struct}
  > insert_entry {array_object_id:u8,entry:struct}
  > update_entry {array_object_id:u8,entry:struct}
  > remove_entries {array_object_id:u8,range:struct}

124 0 Communication port protection @50
  protection_mode enum
  allowed_failed_attempts u16
  initial_lockout_time u32
  steepness_factor u8
  max_lockout_time u32
  port_reference ln
  protection_status enum
  failed_attempts u32
  cumulative_failed_attempts u32
  > reset i8
"""
