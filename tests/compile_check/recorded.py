# ruff: noqa: E501
"""Parts of optimized programs for TPUs, as libtpu 0.0.52 wrote them, shortened; the comments say what is in them."""

# A loop of 12 layers around a loop that begins at 0, adds 2 and ends at 8, so that its body runs 4 times in each.
LOOPS = """HloModule jit_update, is_scheduled=true

%cond (p.0: (s32[], f32[160,768])) -> pred[] {
  %constant.1 = s32[]{:T(128)} constant(12)
  %p.0 = (s32[]{:T(128)}, f32[160,768]{1,0:T(8,128)S(1)}) parameter(0)
  %gte.0 = s32[]{:T(128)} get-tuple-element(%p.0), index=0
  ROOT %lt.1 = pred[]{:T(512)} compare(%gte.0, %constant.1), direction=LT, metadata={op_name="jit(update)/while/cond/lt"}
}

%inner_cond (p.1: (bf16[48,768], u32[])) -> pred[] {
  %constant.2 = u32[]{:T(128)} constant(8)
  %p.1 = (bf16[48,768]{1,0:T(8,128)(2,1)}, u32[]{:T(128)}) parameter(0)
  %gte.1 = u32[]{:T(128)} get-tuple-element(%p.1), index=1
  ROOT %lt.2 = pred[]{:T(512)} compare(%gte.1, %constant.2), direction=LT
}

%next (a.0: u32[], b.0: u32[]) -> u32[] {
  %a.0 = u32[]{:T(128)} parameter(0)
  %b.0 = u32[]{:T(128)} parameter(1)
  ROOT %add.0 = u32[]{:T(128)} add(%a.0, %b.0)
}

%inner_body (p.2: (bf16[48,768], u32[])) -> (bf16[48,768], u32[]) {
  %p.2 = (bf16[48,768]{1,0:T(8,128)(2,1)}, u32[]{:T(128)}) parameter(0)
  %gte.2 = bf16[48,768]{1,0:T(8,128)(2,1)} get-tuple-element(%p.2), index=0
  %gte.3 = u32[]{:T(128)} get-tuple-element(%p.2), index=1
  %two = u32[]{:T(128)} constant(2)
  %fusion.1 = u32[]{:T(128)} fusion(%gte.3, %two), kind=kLoop, calls=%next
  %cps.0 = (bf16[48,768]{1,0:T(8,128)(2,1)S(1)}, bf16[48,768]{1,0:T(8,128)(2,1)S(1)}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%gte.2), channel_id=6, source_target_pairs={{0,1},{1,2},{2,3},{3,0}}, frontend_attributes={is_spmd_generated="true"}, metadata={op_name="jit(update)/dot_general"}
  %cpd.0 = bf16[48,768]{1,0:T(8,128)(2,1)S(1)} collective-permute-done(%cps.0)
  ROOT %tuple.0 = (bf16[48,768]{1,0:T(8,128)(2,1)}, u32[]{:T(128)}) tuple(%cpd.0, %fusion.1)
}

%body (p.3: (s32[], f32[160,768])) -> (s32[], f32[160,768]) {
  %p.3 = (s32[]{:T(128)}, f32[160,768]{1,0:T(8,128)S(1)}) parameter(0)
  %gte.4 = s32[]{:T(128)} get-tuple-element(%p.3), index=0
  %gte.5 = f32[160,768]{1,0:T(8,128)S(1)} get-tuple-element(%p.3), index=1
  %one = s32[]{:T(128)} constant(1)
  %add.1 = s32[]{:T(128)} add(%gte.4, %one)
  %zero = u32[]{:T(128)} constant(0)
  %part = bf16[48,768]{1,0:T(8,128)(2,1)} slice(%gte.5), slice={[0:48], [0:768]}
  %tuple.1 = (bf16[48,768]{1,0:T(8,128)(2,1)}, u32[]{:T(128)}) tuple(%part, %zero)
  %while.1 = (bf16[48,768]{1,0:T(8,128)(2,1)}, u32[]{:T(128)}) while(%tuple.1), condition=%inner_cond, body=%inner_body
  ROOT %tuple.2 = (s32[]{:T(128)}, f32[160,768]{1,0:T(8,128)S(1)}) tuple(%add.1, %gte.5)
}

ENTRY %main (param.0: f32[160,768]) -> f32[160,768] {
  %param.0 = f32[160,768]{1,0:T(8,128)} parameter(0)
  %start = s32[]{:T(128)} constant(0)
  %tuple.3 = (s32[]{:T(128)}, f32[160,768]{1,0:T(8,128)S(1)}) tuple(%start, %param.0)
  %while.2 = (s32[]{:T(128)}, f32[160,768]{1,0:T(8,128)S(1)}) while(%tuple.3), condition=%cond, body=%body, metadata={op_name="jit(update)/while"}
  ROOT %gte.6 = f32[160,768]{1,0:T(8,128)} get-tuple-element(%while.2), index=1
}
"""

# Groups in every notation, on a mesh of 4 x 2; an all-reduce of which each chip keeps its part; a gather that is begun,
# continued and ended in three fusions.
COLLECTIVES = """HloModule jit_update, is_scheduled=true

%all-reduce-scatter (input: f32[256,128]) -> f32[32,128] {
  %input = f32[256,128]{1,0:T(8,128)} parameter(0)
  %all-reduce.43 = f32[256,128]{1,0:T(8,128)} all-reduce(%input), channel_id=61, replica_groups={{0,1,2,3,4,5,6,7}}, use_global_device_ids=true, to_apply=%add.5.clone
  ROOT %ds = f32[32,128]{1,0:T(8,128)} dynamic-slice(%all-reduce.43, %input, %input), dynamic_slice_sizes={32,128}
}

%fused_computation.1065 (param_0.3698: bf16[1,64,256]) -> (bf16[1,64,256], bf16[1,128,256]) {
  %param_0.3698 = bf16[1,64,256]{2,1,0:T(8,128)(2,1)S(1)} parameter(0)
  %all-gather.86 = bf16[1,128,256]{2,1,0:T(8,128)(2,1)} all-gather(%param_0.3698), channel_id=105, replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_1'}, dimensions={1}, use_global_device_ids=true, frontend_attributes={chain_id="1"}
  ROOT %custom-call.50 = (bf16[1,64,256]{2,1,0}, bf16[1,128,256]{2,1,0}) custom-call(%all-gather.86), custom_call_target="AsyncCollectiveStart"
}

%async_collective_fusion.732 (param_0.1: bf16[1,64,256]) -> bf16[1,128,256] {
  %param_0.1 = bf16[1,64,256]{2,1,0:T(8,128)(2,1)S(1)} parameter(0)
  ROOT %all-gather.88 = bf16[1,128,256]{2,1,0:T(8,128)(2,1)S(1)} all-gather(%param_0.1), channel_id=105, replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_1'}, dimensions={1}, use_global_device_ids=true, frontend_attributes={chain_id="1"}
}

ENTRY %main (param.0: f32[32,128]) -> f32[] {
  %param.0 = f32[32,128]{1,0:T(8,128)} parameter(0)
  %param.1 = f32[256,128]{1,0:T(8,128)} parameter(1)
  %param.2 = bf16[1,64,256]{2,1,0:T(8,128)} parameter(2)
  %all-gather.195 = f32[256,128]{1,0:T(8,128)S(1)} all-gather(%param.0), channel_id=107, replica_groups=mesh['axis_0'=8] {'axis_0'}, dimensions={0}, use_global_device_ids=true, metadata={op_name="jit(update)/jvp()/reshape"}
  %all-gather.196 = f32[128,128]{1,0:T(8,128)S(1)} all-gather(%param.0), channel_id=98, replica_groups=[2,4]<=[4,2]T(1,0), dimensions={0}, use_global_device_ids=true
  %all-gather.197 = f32[64,128]{1,0:T(8,128)S(1)} all-gather(%param.0), channel_id=99, replica_groups=[4,2]<=[8], dimensions={0}, use_global_device_ids=true
  %all-reduce.52 = (bf16[1,128]{1,0:T(2,128)(2,1)S(1)}, f32[]{:T(128)}) all-reduce(%param.0, %param.1), channel_id=19, replica_groups={{0,2,4,6},{1,3,5,7}}, use_global_device_ids=true, to_apply=%region_30
  %reduce-scatter.7 = f32[32,128]{1,0:T(8,128)} reduce-scatter(%param.1), channel_id=62, replica_groups={}, dimensions={0}, to_apply=%region_30
  %fusion.4 = f32[32,128]{1,0:T(8,128)S(1)} fusion(%param.1), kind=kCustom, calls=%all-reduce-scatter, metadata={op_name="jit(update)/dot_general"}
  %fusion.5 = (bf16[1,64,256]{2,1,0}, bf16[1,128,256]{2,1,0}) fusion(%param.2), kind=kCustom, calls=%fused_computation.1065
  %fusion.6 = bf16[1,128,256]{2,1,0} fusion(%param.2), kind=kOutput, calls=%async_collective_fusion.732
  %all-reduce.60 = f32[1]{0} all-reduce(%param.0), channel_id=63, replica_groups={{0,3},{1,2},{4,7},{5,6}}, to_apply=%region_30
  ROOT %done = f32[] constant(0)
}
"""

# One layer of twelve is read, and one is written in place; a table is looked up; the rest moves whole.
TRAFFIC = """HloModule jit_update, is_scheduled=true

%read (p.0: f32[12,64,128], p.1: s32[]) -> f32[64,128] {
  %p.0 = f32[12,64,128]{2,1,0:T(8,128)} parameter(0)
  %p.1 = s32[]{:T(128)} parameter(1)
  %ds = f32[1,64,128]{2,1,0:T(8,128)} dynamic-slice(%p.0, %p.1, %p.1, %p.1), dynamic_slice_sizes={1,64,128}
  ROOT %b = f32[64,128]{1,0:T(8,128)} bitcast(%ds)
}

%write (p.2: f32[12,64,128], p.3: f32[64,128], p.4: s32[]) -> f32[12,64,128] {
  %p.2 = f32[12,64,128]{2,1,0:T(8,128)} parameter(0)
  %p.3 = f32[64,128]{1,0:T(8,128)} parameter(1)
  %p.4 = s32[]{:T(128)} parameter(2)
  %c = f32[1,64,128]{2,1,0:T(8,128)} bitcast(%p.3)
  ROOT %dus = f32[12,64,128]{2,1,0:T(8,128)} dynamic-update-slice(%p.2, %c, %p.4, %p.4, %p.4)
}

ENTRY %main (param.0: f32[12,64,128], param.1: f32[1000,128]) -> f32[12,64,128] {
  %param.0 = f32[12,64,128]{2,1,0:T(8,128)} parameter(0)
  %param.1 = f32[1000,128]{1,0:T(8,128)} parameter(1)
  %one = s32[]{:T(128)S(6)} constant(1)
  %layer = f32[64,128]{1,0:T(8,128)S(1)} fusion(%param.0, %one), kind=kLoop, calls=%read
  %tokens = s32[16]{0:T(128)S(1)} iota(), iota_dimension=0
  %looked_up = f32[16,128]{1,0:T(8,128)} gather(%param.1, %tokens), offset_dims={1}
  %product = f32[64,64]{1,0:T(8,128)} convolution(%layer, %layer), dim_labels=bf_io->bf
  ROOT %kept = f32[12,64,128]{2,1,0:T(8,128)} fusion(%param.0, %layer, %one), kind=kLoop, calls=%write
}
"""
